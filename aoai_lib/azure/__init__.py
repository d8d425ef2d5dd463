"""How the playbook speaks to Azure: clouds, credentials, clients, the recording policy, replay.

Nothing else in the library opens a connection to Azure. Every client is built here, over one pipeline that records each
request as evidence and refuses one that could write.
"""

from __future__ import annotations

import logging

for _name in ("azure", "httpcore2", "httpx2", "msal", "openai", "urllib3"):
    # What these log holds what a tenant wrote and what is sent, as it is, and `OPENAI_LOG` makes them tell more: none of it is printed.
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False
