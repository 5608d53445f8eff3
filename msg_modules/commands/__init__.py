"""The `msg-gan` subcommands."""
