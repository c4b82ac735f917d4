"""`/services/oauth2` and `/services/Soap/u`: tokens, and who the caller is."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from coupon_pipeline.sandbox.salesforce import login
from coupon_pipeline.sandbox.salesforce.login import LoginRefusedError
from coupon_pipeline.sandbox.salesforce.org import Org
from coupon_pipeline.sandbox.salesforce.rest.exchange import Reply, json_reply
from coupon_pipeline.sandbox.salesforce.users import User

XML = "text/xml;charset=UTF-8"


def token(org: Org, body: bytes, headers: Mapping[str, str], address: str) -> Reply:
    """POST /services/oauth2/token."""
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        answer = org.sessions.token(form, headers.get("authorization"))
    except LoginRefusedError as error:
        return Reply(400, login.login_refusal(error))
    user_id = answer.pop("user_id")
    identity = f"{address}/id/{org.org_id}/{user_id}"
    issued_at = str(int(org.clock.now().timestamp() * 1000))
    signature = hmac.digest(org.org_id.encode(), f"{identity}{issued_at}".encode(), hashlib.sha256)
    return json_reply(
        {
            **answer,
            "instance_url": address,
            "id": identity,
            "issued_at": issued_at,
            "signature": base64.b64encode(signature).decode(),
            "scope": "api refresh_token",
        }
    )


def revoke(org: Org, body: bytes) -> Reply:
    """POST /services/oauth2/revoke."""
    form = dict(parse_qsl(body.decode("utf-8", "replace")))
    org.sessions.expire(form.get("token", ""))
    return Reply(200)


def user_info(org: Org, user: User, address: str) -> Reply:
    """GET /services/oauth2/userinfo."""
    row = org.store["User"].rows[user.id]
    return json_reply(
        {
            "sub": f"{address}/id/{org.org_id}/{user.id}",
            "user_id": user.id,
            "organization_id": org.org_id,
            "preferred_username": user.username,
            "nickname": row.get("Alias"),
            "name": row.get("Name"),
            "email": row.get("Email"),
            "email_verified": True,
            "zoneinfo": row.get("TimeZoneSidKey"),
            "locale": row.get("LocaleSidKey"),
            "user_type": "STANDARD",
            "active": True,
        }
    )


def identity(org: Org, user: User, address: str) -> Reply:
    """GET /id/{organization}/{user}."""
    rest = f"{address}/services/data/v{{version}}/"
    return json_reply(
        {
            "id": f"{address}/id/{org.org_id}/{user.id}",
            "user_id": user.id,
            "organization_id": org.org_id,
            "username": user.username,
            "active": True,
            "urls": {"rest": rest, "sobjects": f"{rest}sobjects/", "query": f"{rest}query/"},
        }
    )


def soap_login(org: Org, body: bytes, version: str, address: str) -> Reply:
    """POST /services/Soap/u/{version}: the login call of the partner API."""
    try:
        user = org.sessions.by_password(*login.soap_credentials(body))
    except LoginRefusedError:
        fault = login.soap_fault(
            "INVALID_LOGIN",
            "Invalid username, password, security token; or user locked out.",
        )
        return Reply(500, fault, XML)
    server_url = f"{address}/services/Soap/u/{version}/{org.org_id[:15]}"
    return Reply(200, login.soap_answer(org.sessions.open(user), server_url, user), XML)
