"""What every package uses: terminal output, errors, files, signals, optional extras."""
