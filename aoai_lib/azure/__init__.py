"""How the playbook speaks to Azure: clouds, credentials, clients, the recording policy, replay.

Nothing else in the library opens a connection to Azure. Every client is built here, over one pipeline that records each
request as evidence and refuses one that could write.
"""
