"""The judge between Trainer and Pusher."""
