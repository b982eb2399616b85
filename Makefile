# make run          build and run the program; arguments in ARGS: make run ARGS="call --source scene"
# make test         run all tests
# make check        formatting, clippy, docs, licences
# make explore      property tests from a fresh seed, and each fuzz target for a minute (SECONDS=600: for ten)
# make screenshot   take the README's picture of the window, on a screen of its own (Xvfb, ImageMagick)
# make clean        throw the build away

# A Rust that was installed a moment ago is not in PATH yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

ARGS ?=
SECONDS ?= 60

.PHONY: run build test check explore screenshot clean help
.DEFAULT_GOAL := help

help:
	@sed -n '/^# make/s/^# //p' Makefile

build:
	@scripts/setup.sh run
	@[ -x target/release/clearcall ] || echo "The first build takes about 10 to 15 minutes on two cores; later ones take a minute or less."
	cargo build --release --locked

run: build
	target/release/clearcall $(ARGS)

test:
	@scripts/setup.sh test
	@echo "A first build for the tests takes about 10 to 15 minutes on two cores; after that, a minute or two."
	@scripts/test.sh

check:
	@scripts/setup.sh check
	@scripts/check.sh

explore:
	@scripts/setup.sh test
	@scripts/explore.sh $(SECONDS)

screenshot: build
	@scripts/screenshot.sh assets/screenshot.png $(ARGS)

clean:
	cargo clean
