"""Microsoft Graph v1.0, as far as an assessment asks it: names of principals, members of groups.

Who may ask is in the world: a principal's ``graph`` lists its permissions. Without one the answer is Graph's 403, as it
is for every application that nobody gave consent to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.shapes import Json
from aoai_lib.lab.store import Tenant
from aoai_lib.lab.world import Principal

PREFIX = "/v1.0/"
READS_EVERYTHING = "Directory.Read.All"
READS_MEMBERS = frozenset({READS_EVERYTHING, "GroupMember.Read.All", "Group.Read.All"})
READS_HIDDEN = "Member.Read.Hidden"
MOST_IDS = 1000
_PAGE = 100
_MEMBERS = re.compile(r"/v1\.0/groups/([^/]+)/(transitiveMembers|members)", re.IGNORECASE)
_BY_IDS = re.compile(r"/v1\.0/directoryObjects/getByIds", re.IGNORECASE)
_TYPES = {"User": "user", "Group": "group", "ServicePrincipal": "servicePrincipal"}


def handle(tenant: Tenant, object_id: str, method: str, path: str, options: Mapping[str, str], body: object) -> Json:
    """Answer one request of an authenticated caller. Raises ArmError in Graph's words for every refusal."""
    caller = tenant.principal(object_id)
    rights = set(caller.graph) if caller else set()
    if (match := _MEMBERS.fullmatch(path)) and method == "GET":
        if not rights & READS_MEMBERS:
            raise _denied()
        return _members(tenant, match[1], match[2].lower() == "members", options, rights)
    if _BY_IDS.fullmatch(path) and method == "POST":
        if READS_EVERYTHING not in rights:
            raise _denied()
        return _by_ids(tenant, body)
    raise ArmError(400, "BadRequest", f"Resource not found for the segment '{path.rpartition('/')[2]}'.", headers={})


def _denied() -> ArmError:
    return ArmError(
        403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.", headers={}
    )


def _members(tenant: Tenant, group_id: str, direct: bool, options: Mapping[str, str], rights: set[str]) -> Json:
    group = tenant.principal(group_id)
    if group is None or group.kind != "Group":
        message = (
            f"Resource '{group_id}' does not exist or one of its queried reference-property objects are not present."
        )
        raise ArmError(404, "Request_ResourceNotFound", message, headers={})
    visible = not group.hidden or READS_HIDDEN in rights
    found = [_shown(each) for each in (_inside(tenant, group, set(), direct) if visible else ())]
    size = min(int(options.get("$top") or _PAGE), 999)
    start = int(options.get("$skiptoken") or 0)
    page = found[start : start + size]
    if wanted := options.get("$select"):
        names = {"@odata.type", *wanted.split(",")}
        page = [{key: value for key, value in each.items() if key in names} for each in page]
    answer: Json = {"@odata.context": f"{tenant.base_url}/v1.0/$metadata#directoryObjects", "value": page}
    if start + size < len(found):
        query = urlencode({**options, "$skiptoken": start + size})
        answer["@odata.nextLink"] = f"{tenant.base_url}/v1.0/groups/{group_id}/transitiveMembers?{query}"
    return answer


def _inside(tenant: Tenant, group: Principal, seen: set[str], direct: bool = False) -> Iterator[Principal]:
    """Who is in a group, each once, through the groups in it too."""
    for name in group.members:
        member = tenant.world.principal(name)
        if member.id in seen:
            continue
        seen.add(member.id)
        yield member
        if not direct:
            yield from _inside(tenant, member, seen)


def _by_ids(tenant: Tenant, body: object) -> Json:
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or len(ids) > MOST_IDS:
        raise ArmError(400, "Request_BadRequest", f"Too many ids, or none: at most {MOST_IDS} are allowed.", headers={})
    known: Sequence[Principal | None] = [tenant.principal(str(each)) for each in ids]
    context = f"{tenant.base_url}/v1.0/$metadata#directoryObjects"
    return {"@odata.context": context, "value": [_shown(each) for each in known if each]}


def _shown(principal: Principal) -> Json:
    found: Json = {"@odata.type": f"#microsoft.graph.{_TYPES[principal.kind]}", "id": principal.id}
    if principal.kind == "User":
        local = principal.name.partition("@")[0]
        return found | {
            "displayName": principal.title or local.replace(".", " ").title(),
            "userPrincipalName": principal.name,
        }
    found["displayName"] = principal.title or principal.name
    if principal.kind == "Group":
        return found | {"securityEnabled": True, "visibility": "HiddenMembership" if principal.hidden else None}
    return found | {"appId": principal.app_id, "servicePrincipalType": "Application"}
