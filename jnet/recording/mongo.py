"""The address of a MongoDB database, its client, and its errors without passwords."""

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jnet.errors import RecordError

if TYPE_CHECKING:
    import pymongo

URL_VARIABLE = "JNET_MONGO_URL"
HOST_PORT_DATABASE = re.compile(
    r"(?=.)(?:(?P<host>[\w.-]+|\[[\da-fA-F:]+\]):(?P<port>\d{1,5})(?::|$))?(?P<database>[A-Za-z_][\w-]*)?"
)
# A source of runs that matches is an address in MongoDB, any other is a folder.
SOURCE_PATTERN = re.compile(r"mongodb(\+srv)?://.*|([\w.-]+|\[[\da-fA-F:]+\]):\d{1,5}:[\w-]+")
SCHEME, DNS_SCHEME = "mongodb://", "mongodb+srv://"
DEFAULT_DATABASE = "jnet"
CONNECT_MILLISECONDS = 2500  # time to find a server
ANSWER_MILLISECONDS = 10_000  # time for an answer of a server that was found
REFUSAL_CODES = (13, 18, 33, 8000)  # not authorised, wrong password, unknown user, Atlas' code


@dataclass(frozen=True)
class Address:
    """A database on a server.

    Attributes
    ----------
    url : str
        The complete URL, which may contain a password.
    database : str
    servers : str
        The servers without user and password, for messages.
    by_dns : bool
        Whether the servers are found by a DNS query (`mongodb+srv://`).
    """

    url: str = field(repr=False)
    database: str
    servers: str
    by_dns: bool


def parse_address(target: str, name: str = "the SOURCE") -> Address:
    """Return the address given as `[host:port:]db` or as a URL `mongodb://…`.

    Raises `RecordError` for an invalid address. The message calls the address `name` and does not
    repeat it, because it may contain a password.
    """
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    match = HOST_PORT_DATABASE.fullmatch(target)
    try:
        if match is not None:
            host = f"{match['host']}:{match['port']}" if match["host"] else "localhost:27017"
            target = f"{SCHEME}{host}/{match['database'] or DEFAULT_DATABASE}"
        # No DNS query for the servers: the DNS may be unreachable, which must not end the run.
        parsed = parse_uri(target.replace(DNS_SCHEME, SCHEME, 1))
    except (PyMongoError, ValueError) as error:
        raise RecordError(
            f"{name} is not a valid MongoDB address ({type(error).__name__}): give host:port:db, "
            f"or mongodb://user:password@host:port/db in {URL_VARIABLE}"
        ) from None  # the driver's own message may contain the password
    by_dns = target.startswith(DNS_SCHEME)
    servers = ",".join(host if by_dns else f"{host}:{port}" for host, port in parsed["nodelist"])
    return Address(target, parsed["database"] or DEFAULT_DATABASE, servers, by_dns)


def find_address(option: str = "", target: str | None = None) -> Address | None:
    """Return the address in `target`, else in the environment variable JNET_MONGO_URL, else None.

    `target` is the value of the command line option `option`. It must not be a URL, because other
    users can see command lines and a URL may contain a password: `RecordError` is raised.
    """
    if target is not None:
        if not HOST_PORT_DATABASE.fullmatch(target):
            raise RecordError(
                f"{option} is not host:port:db, such as localhost:27017:jnet: correct it, or set "
                f"the environment variable {URL_VARIABLE} to a URL, with or without a password"
            )
        return parse_address(target, option)
    url = os.environ.get(URL_VARIABLE)
    return parse_address(url, URL_VARIABLE) if url else None


def make_client(address: Address) -> "pymongo.MongoClient":
    """Return a client with short timeouts, which connects when it is first used."""
    import pymongo

    return pymongo.MongoClient(
        address.url,
        connect=False,
        serverSelectionTimeoutMS=CONNECT_MILLISECONDS,
        connectTimeoutMS=CONNECT_MILLISECONDS,
        socketTimeoutMS=ANSWER_MILLISECONDS,
    )


def is_access_denied(error: Exception) -> bool:
    """Return whether the error is a server's answer that denies access to this user."""
    return getattr(error, "code", None) in REFUSAL_CODES


def explain_error(error: Exception) -> str:
    """Return the meaning of a driver's error.

    The driver's own message is omitted, because it may contain a password.
    """
    from pymongo.errors import ConfigurationError, ConnectionFailure, ExecutionTimeout

    if isinstance(error, ConfigurationError):
        meaning = "is not found or has an invalid address"
    elif is_access_denied(error):
        meaning = "denies access to this user"
    elif isinstance(error, (ConnectionFailure, ExecutionTimeout)):
        meaning = "does not answer"
    else:
        meaning = "rejects the request"
    code = getattr(error, "code", None)
    return f"{meaning} ({type(error).__name__}{f' {code}' if code else ''})"
