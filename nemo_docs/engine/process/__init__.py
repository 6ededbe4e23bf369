"""The engine as a process of its own, shared by every face: what is said on the socket, who serves it, who asks it."""
