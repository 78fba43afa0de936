"""Certificates for tests, made while they run: an authority, good ones, and each kind of bad one.

Keeps no key in the repository, and on disk only while the ssl module, which can do nothing else,
reads it from a file.
"""

import datetime
import ssl
from functools import cache

import trustme

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)

#: What every good certificate here is for: a name that only a proxy or a resolver of the tests
#: knows, and the address that all of them listen at.
NAMES = ("llm.test", "localhost", "127.0.0.1")


@cache
def authority():
    """The authority that the good clients of these tests trust."""
    return trustme.CA()


@cache
def stranger():
    """An authority that nobody trusts."""
    return trustme.CA()


def trusting(ca=None):
    """A client's context that trusts the authority (ours by default) and nobody else."""
    return ssl.create_default_context(cadata=(ca or authority()).cert_pem.bytes().decode())


def serving(certificate=None):
    """A server's context with this certificate; None: a good one of our authority's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (certificate or good()).configure_cert(context)
    return context


@cache
def good():
    return authority().issue_cert(*NAMES)


@cache
def expired():
    return authority().issue_cert(*NAMES, not_before=NOW - 9 * DAY, not_after=NOW - DAY)


@cache
def not_yet_valid():
    return authority().issue_cert(*NAMES, not_before=NOW + DAY, not_after=NOW + 9 * DAY)


@cache
def wrong_host():
    return authority().issue_cert("another.test")


@cache
def of_a_stranger():
    return stranger().issue_cert(*NAMES)


class _SelfSigned:
    """An authority's own certificate, served as if it were a server's."""

    def configure_cert(self, context):
        ca = stranger()
        with ca.cert_pem.tempfile() as certificate, ca.private_key_pem.tempfile() as key:
            context.load_cert_chain(certificate, key)


def self_signed():
    return _SelfSigned()


def client(ca=None):
    """A client's certificate, of our authority by default."""
    return (ca or authority()).issue_cert("client@llm.test")
