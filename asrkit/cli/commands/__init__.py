"""One command a file: add_arguments(parser) and main(args) -> exit status."""
