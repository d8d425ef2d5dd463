"""The private path of an account as one joined chain: account, connection, endpoint, subnet, names, zones, records, networks.

Each link is found out when it is asked for, and never raises: what could not be read makes that link unknown and no other.
Controls judge the links that are theirs, so that a finding cites what its own links took; the picture shows them all.
"""

from aoai_lib.private_path.links import Link, LinkState, worst
from aoai_lib.private_path.path import EndpointPath, PrivatePath, private_path
from aoai_lib.private_path.zones import ZonePath

__all__ = ["EndpointPath", "Link", "LinkState", "PrivatePath", "ZonePath", "private_path", "worst"]
