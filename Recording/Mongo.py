"""Where a MongoDB is: an address as a user gives it, and the client for it."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from Spec.Errors import RecordError

if TYPE_CHECKING:
    import pymongo

ENVIRONMENT = "JNET_MONGO_URL"
TARGET = re.compile(
    r"(?:(?P<host>[\w.-]+|\[[\da-fA-F:]+\]):(?P<port>\d{1,5})(?::|$))?(?P<database>[A-Za-z_][\w-]*)?"
)
# What a source of runs must look like to be no folder.
SOURCE = re.compile(r"mongodb(\+srv)?://.*|([\w.-]+|\[[\da-fA-F:]+\]):\d{1,5}:[\w-]+")
BY_NAME, BY_DNS = "mongodb://", "mongodb+srv://"
DATABASE = "jnet"  # where the address names none
WAIT = 2500  # milliseconds a server may take to be found
SILENCE = 10_000  # milliseconds an answer may take once it is
REFUSALS = (13, 18, 33, 8000)  # not authorised, wrong password, no such user, Atlas' own


@dataclass(frozen=True)
class Address:
    """A database on a server; `said` names the server without its password."""

    url: str = field(repr=False)
    database: str
    said: str


def address(target: str, given: str = "the address given") -> Address:
    """What `[host:port:]db` or `mongodb://…` means; `given` names it in the `RecordError`, which
    repeats nothing of it: it may hold a password."""
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    found = TARGET.fullmatch(target) if target else None  # an empty one is no address
    try:
        if found is not None:
            host = f"{found['host']}:{found['port']}" if found["host"] else "localhost:27017"
            target = f"mongodb://{host}/{found['database'] or DATABASE}"
        # Without the servers that stand in the DNS: it may be away, as a server may.
        parsed = parse_uri(target.replace(BY_DNS, BY_NAME, 1))
    except (PyMongoError, ValueError) as error:
        raise RecordError(
            f"MongoDB at {given} is not understood ({type(error).__name__}): give host:port:db, "
            f"or mongodb://user:password@host:port/db in {ENVIRONMENT}"
        ) from None  # the driver's own message may hold the password
    by_dns = target.startswith(BY_DNS)
    said = ",".join(host if by_dns else f"{host}:{port}" for host, port in parsed["nodelist"])
    return Address(target, parsed["database"] or DATABASE, said)


def client_of(where: Address) -> "pymongo.MongoClient":
    """A client that waits for nothing longer than some seconds. It connects when it is used."""
    import pymongo

    return pymongo.MongoClient(
        where.url,
        connect=False,
        serverSelectionTimeoutMS=WAIT,
        connectTimeoutMS=WAIT,
        socketTimeoutMS=SILENCE,
    )


def refuses(error: Exception) -> bool:
    """Whether a server is there, and says no to this user."""
    return getattr(error, "code", None) in REFUSALS


def why(error: Exception) -> str:
    """What an error of the driver's means, without its message, which may hold a password."""
    from pymongo.errors import ConfigurationError, ConnectionFailure, ExecutionTimeout

    if isinstance(error, ConfigurationError):
        said = "is not found, or its address not understood"
    elif refuses(error):
        said = "refuses this user"
    elif isinstance(error, (ConnectionFailure, ExecutionTimeout)):
        said = "does not answer"
    else:
        said = "does not take it"
    code = getattr(error, "code", None)
    return f"{said} ({type(error).__name__}{f' {code}' if code else ''})"
