"""A stateful, simulated Azure on loopback that the real Azure SDKs talk to over TLS.

The lab is a stranger to the rest of the library: it imports none of it, and only the command line and the tests import
the lab. See docs/lab.md for what it answers, what it enforces and where it differs from the service.
"""
