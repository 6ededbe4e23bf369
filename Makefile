# Each of these does all of its own set-up; the second time it is quick.
.PHONY: help run tour test check bench setup

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup  ## open the app
	@.venv/bin/nemo-docs

tour: setup  ## a guided tour of the command line, on the samples
	@.ci/tour

test: setup  ## the essential tests, in a few minutes on two cores
	.venv/bin/python -m pytest

check: setup  ## linters, types and import rules
	@.ci/check

bench: setup  ## measure speed and quality; minutes to hours
	@.ci/bench

setup:
	@.ci/setup
