"""Trying instead of reading: what an account's names lead to and who answers, from vantage points that are told."""
