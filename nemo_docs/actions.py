"""Everything that a user of the app can do, in one table.

Key bindings, the command palette, the help screen, the footer and the `[keys]` of the settings file all come from it,
so none of them can lag behind another. It is plain data: whoever checks a settings file need not load the app.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Pane(StrEnum):
    """Where a key works."""

    APP = "app"
    """Everywhere."""
    LIBRARY = "library"
    CONVERSATION = "conversation"
    SOURCE = "source"
    JOBS = "jobs"
    """What is being added or read."""
    PROMPT = "prompt"
    FAILURES = "failures"
    """What could not be added, on a screen of its own."""
    LEDGER = "ledger"
    """What became of each page of a document, on a screen of its own."""
    SEARCH = "search"
    """Passages of the whole library, on a screen of its own."""
    DIALOG = "dialog"
    """A window over the others; while it is there, no other pane's keys work."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done.

    Attributes:
        id: Its name in settings; the pane's widget (or the app's screen) carries it out in `action_<id>`.
        pane: Where its keys work.
        keys: The keys that it has unless the user remaps them, in Textual's spelling.
        label: One to three words, for the footer and the palette.
        help: One sentence.
        in_footer: Whether the footer has room for it.
    """

    id: str
    pane: Pane
    keys: tuple[str, ...]
    label: str
    help: str
    in_footer: bool = False


ACTIONS: tuple[Action, ...] = (
    Action("help", Pane.APP, ("f1",), "Help", "Show what the focused pane can do, and its keys.", True),
    Action("palette", Pane.APP, ("ctrl+p",), "Palette", "Find any action by typing a part of its name.", True),
    Action("add_files", Pane.APP, ("ctrl+o",), "Add files", "Type or choose files and folders to add.", True),
    Action(
        "cancel", Pane.APP, ("escape",), "Stop", "Stop the answer, else what runs beside; what is done stays.", True
    ),
    Action("focus_library", Pane.APP, ("f3",), "Library", "Go to the library."),
    Action("focus_conversation", Pane.APP, ("f4",), "Conversation", "Go to the conversation."),
    Action("focus_source", Pane.APP, ("f5",), "Source", "Go to the source."),
    Action("focus_prompt", Pane.APP, ("f6",), "Prompt", "Go to the prompt."),
    Action("settings", Pane.APP, ("f2",), "Settings", "See and change settings, and where each value came from."),
    Action("theme", Pane.APP, ("ctrl+t",), "Theme", "Choose the colours; the choice is remembered."),
    Action("search_library", Pane.APP, ("ctrl+f",), "Search all", "Find passages in all documents.", True),
    Action("new_conversation", Pane.APP, ("ctrl+n",), "New conversation", "Begin another; this one is kept."),
    Action("quit", Pane.APP, ("ctrl+q",), "Quit", "Leave; what was read and answered is kept.", True),
    Action("toggle_selected", Pane.LIBRARY, ("space",), "Select", "Ask about this document, or no longer.", True),
    Action("select_all", Pane.LIBRARY, ("a",), "All or none", "Ask about the whole library."),
    Action("open_document", Pane.LIBRARY, ("enter",), "Open", "Show the document's pages in the source pane.", True),
    Action("open_ledger", Pane.LIBRARY, ("p",), "Pages", "Show what became of each page; read some again.", True),
    Action("open_gaps", Pane.LIBRARY, ("n",), "No text", "Show the pages that hold no text, and why."),
    Action("read_document", Pane.LIBRARY, ("r",), "Read now", "Read it through the model, before all that waits."),
    Action("read_later", Pane.LIBRARY, ("l",), "Read later", "Put it at the end of what is read in the background."),
    Action("tag_document", Pane.LIBRARY, ("t",), "Collections", "Put it into collections, or all that are selected."),
    Action("filter_library", Pane.LIBRARY, ("slash",), "Filter", "Show only documents whose titles hold some words."),
    Action("remove_document", Pane.LIBRARY, ("delete",), "Remove", "Take it out of the library; files stay."),
    Action("stop_job", Pane.JOBS, ("delete",), "Stop", "Stop this work and keep what was done; or dismiss it.", True),
    Action("pause_job", Pane.JOBS, ("space",), "Pause", "Pause this work, go on with it, or try it again.", True),
    Action("give_password", Pane.JOBS, ("enter",), "Password", "Type the password of an encrypted file.", True),
    Action("show_failures", Pane.JOBS, ("f",), "All failures", "Show every file that could not be added, and why."),
    Action("choose_file", Pane.FAILURES, ("space",), "Choose", "Choose this file, or no longer.", True),
    Action("choose_files", Pane.FAILURES, ("a",), "All or none", "Choose all files, or none.", True),
    Action("retry_files", Pane.FAILURES, ("r",), "Try again", "Try the chosen files again, else this one.", True),
    Action(
        "dismiss_files", Pane.FAILURES, ("delete",), "Dismiss", "Let go of the chosen files, else of this one.", True
    ),
    Action("unlock_file", Pane.FAILURES, ("enter",), "Password", "Type the password of an encrypted file.", True),
    Action("next_citation", Pane.CONVERSATION, ("n",), "Next quote", "Light up the next quote in its source.", True),
    Action("previous_citation", Pane.CONVERSATION, ("p",), "Previous quote", "Light up the quote before."),
    Action("previous_turn", Pane.CONVERSATION, ("k",), "Turn before", "Go to the question before."),
    Action("next_turn", Pane.CONVERSATION, ("j",), "Next turn", "Go to the question after."),
    Action("copy_answer", Pane.CONVERSATION, ("c",), "Copy answer", "Copy the answer with its quotes and pages.", True),
    Action("copy_citation", Pane.CONVERSATION, ("y",), "Copy quote", "Copy the lit quote with its source."),
    Action("edit_question", Pane.CONVERSATION, ("e",), "Edit", "Take the question back into the prompt.", True),
    Action("forget", Pane.CONVERSATION, ("delete",), "Forget", "Delete this conversation, questions and answers."),
    Action("ask_again", Pane.CONVERSATION, ("g",), "Ask again", "Ask the same question about what is selected now."),
    Action("next_page", Pane.SOURCE, ("right", "pagedown"), "Next page", "Show the next page.", True),
    Action("previous_page", Pane.SOURCE, ("left", "pageup"), "Page before", "Show the page before.", True),
    Action("next_span", Pane.SOURCE, ("n",), "Next", "Go to the next lit place: a quote or a match."),
    Action("previous_span", Pane.SOURCE, ("p",), "Previous", "Go to the lit place before."),
    Action("search_source", Pane.SOURCE, ("slash",), "Search", "Find words in this document.", True),
    Action("open_file", Pane.SOURCE, ("o",), "Open file", "Open the real file here in the system's viewer.", True),
    Action("copy_span", Pane.SOURCE, ("y",), "Copy", "Copy the lit place with its source."),
    Action("send", Pane.PROMPT, ("enter",), "Ask", "Send the question.", True),
    Action("new_line", Pane.PROMPT, ("shift+enter", "ctrl+j"), "New line", "Begin a new line of the question."),
    Action("earlier_question", Pane.PROMPT, ("up",), "Earlier question", "Take back an earlier question."),
    Action("later_question", Pane.PROMPT, ("down",), "Later question", "Take back a later question."),
    Action("open_page", Pane.LEDGER, ("enter",), "Open", "Show this page in the source pane.", True),
    Action("choose_page", Pane.LEDGER, ("space",), "Choose", "Choose this page to be read again, or no longer.", True),
    Action("choose_pages", Pane.LEDGER, ("a",), "All or none", "Choose all pages that are shown, or none."),
    Action("redo_pages", Pane.LEDGER, ("r",), "Read again", "Read the chosen pages again, else this one.", True),
    Action("next_flag", Pane.LEDGER, ("f",), "Next flag", "Show only pages with a flag; again, with the next.", True),
    Action("previous_flag", Pane.LEDGER, ("F",), "Flag before", "Show only pages with the flag before."),
    Action("find_page", Pane.LEDGER, ("slash",), "Go to", "Go to a page by its number or its label.", True),
    Action("open_hit", Pane.SEARCH, ("enter",), "Open", "Show this passage in its page.", True),
    Action("next_hit", Pane.SEARCH, ("down",), "Next", "Go to the next passage.", True),
    Action("previous_hit", Pane.SEARCH, ("up",), "Before", "Go to the passage before.", True),
    Action("search_scope", Pane.SEARCH, ("ctrl+l",), "Where", "Look in what is selected only, or in all.", True),
    Action(
        "search_match", Pane.SEARCH, ("ctrl+r",), "Match", "Look for words, for meaning, or for exact letters.", True
    ),
    Action("search_unit", Pane.SEARCH, ("ctrl+y",), "Find", "Find passages, pages or documents.", True),
    Action("close", Pane.DIALOG, ("escape",), "Close", "Close this window and change nothing.", True),
    Action("accept", Pane.DIALOG, ("y",), "Yes", "Say yes to what is asked.", True),
    Action("refuse", Pane.DIALOG, ("n",), "No", "Say no to what is asked.", True),
    Action("complete_path", Pane.DIALOG, ("tab",), "Complete", "Complete the path, else go to the next field.", True),
    Action("choose_path", Pane.DIALOG, ("space",), "Choose", "Choose this file or folder, or no longer.", True),
)


def actions_of(pane: Pane) -> tuple[Action, ...]:
    """What can be done in a pane, in the order in which it is shown."""
    return tuple(action for action in ACTIONS if action.pane is pane)
