"""Evidence: what was asked and answered, kept without secrets, and sealed so that a change shows."""
