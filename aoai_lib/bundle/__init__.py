"""A finished run as others hold it: opened, signed, verified, explained line by line, and compared with another."""
