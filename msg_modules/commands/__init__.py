"""The commands of `msg-gan`, one module for each group."""
