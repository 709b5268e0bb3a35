"""Letters over a real socket to a server that misbehaves: what is known afterwards, and that nothing waits for ever."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from billing.mail.port import Mail
from billing.mail.settings import load
from billing.mail.smtp import Smtp
from billing.sms.port import Outcome, Reason, Refused, Sent, Unknown
from radius.domain.errors import Malformed
from tests.fakes.mail_server import MailServer
from tests.unit.billing.values import T0

MAIL = Mail("amina@example.co.ke", "Kilifi WiFi: inaisha kesho, Amína", "Habari Amína,\n.dots too\n" + "x" * 2_000)
NETWORK = Refused(Reason.NETWORK, retryable=True)
BUSY = Refused(Reason.BUSY, retryable=True)


@pytest.fixture
def server() -> Iterator[MailServer]:
    made = MailServer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server that is 127.0.0.1, and who trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=9))
    alt = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = built.add_extension(alt, critical=False).sign(key, SHA256()).public_bytes(Encoding.PEM)
    pair: Path = folder / "pair.pem"
    pair.write_bytes(certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(pair)
    return ours, ssl.create_default_context(cadata=certificate.decode())


def smtp(port: int, context: ssl.SSLContext | None = None, **more: Any) -> Smtp:
    given = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "wifi@kilifi.example", "deadline_s": 1}
    return Smtp(load(given | more), "pass word", "Kilifi WiFi", lambda: float(T0), context)


LOGIN = {"user": "wifi", "password_ref": "env:MAIL"}


def test_a_letter_arrives_as_it_was_written(server: MailServer) -> None:
    outcome = smtp(server.port, **LOGIN).send(MAIL)
    server.close()
    (letter,) = server.letters
    assert outcome == Sent(str(letter["Message-ID"]))
    assert letter["From"] == "Kilifi WiFi <wifi@kilifi.example>"
    assert (letter["To"], letter["Subject"]) == (MAIL.to, MAIL.subject)
    assert letter["Date"] == "Wed, 25 Nov 2026 13:00:00 +0300"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content().replace("\r\n", "\n").strip() == MAIL.text
    assert "ehlo kilifi.example" in server.heard
    assert server.heard[-1] == "quit"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_over_tls_and_the_password_only_there(trusted: tuple[ssl.SSLContext, ssl.SSLContext], security: str) -> None:
    server = MailServer(trusted[0], wrapped=security == "tls")
    assert isinstance(smtp(server.port, trusted[1], security=security, **LOGIN).send(MAIL), Sent)
    assert smtp(server.port, security=security, **LOGIN).send(MAIL) == NETWORK, "nobody vouches for this server"
    server.close()
    began = [line.partition(" ")[0].lower() for line in server.heard]
    before = ["ehlo", "starttls"] if security == "starttls" else []
    assert began == [*before, "ehlo", "auth", "mail", "rcpt", "data", "quit", *before]
    assert len(server.letters) == 1


def test_a_server_without_tls_is_told_nothing(server: MailServer) -> None:
    assert smtp(server.port, security="starttls", **LOGIN).send(MAIL) == Refused(Reason.ACCOUNT)
    assert [line.partition(" ")[0] for line in server.heard] == ["ehlo"]


@pytest.mark.parametrize(
    ("step", "behaviour", "outcome"),
    [
        ("connect", "554 no service", Refused(Reason.REJECTED)),
        ("connect", "421 later", BUSY),
        ("connect", "drop", NETWORK),
        ("connect", "stall", NETWORK),
        ("connect", "noise", NETWORK),
        ("connect", "trickle", NETWORK),
        ("ehlo", "flood", NETWORK),
        ("auth", "535 wrong", Refused(Reason.ACCOUNT)),
        ("auth", "454 later", BUSY),
        ("mail", "550 not you", Refused(Reason.REJECTED)),
        ("mail", "452 full", BUSY),
        ("rcpt", "550 no such mailbox", Refused(Reason.ADDRESS)),
        ("rcpt", "450 greylisted", BUSY),
        ("rcpt", "drop", NETWORK),
        ("data", "554 spam", Refused(Reason.REJECTED)),
        ("data", "drop", Unknown()),
        ("letter", "554 spam after all", Refused(Reason.REJECTED)),
        ("letter", "451 later", BUSY),
        ("letter", "drop", Unknown()),
        ("letter", "stall", Unknown()),
        ("letter", "flood", Unknown()),
        ("letter", "noise", Unknown()),
        ("letter", "354 more", Unknown()),
    ],
)
def test_what_is_known_afterwards(server: MailServer, step: str, behaviour: str, outcome: Outcome) -> None:
    server.plan[step] = behaviour
    assert smtp(server.port, **LOGIN).send(MAIL) == outcome
    assert len([line for line in server.heard if line.startswith("mail")]) <= 1, "nothing is sent again"


def test_nobody_there_is_a_refusal(server: MailServer) -> None:
    server.close()
    assert smtp(server.port).send(MAIL) == NETWORK


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("to", "juma"),
        ("to", "a@b.c\nBcc: d@e.f"),
        ("to", "amína@example.co.ke"),
        ("to", "a" * 250 + "@b.ke"),
        ("subject", ""),
        ("subject", "one\ntwo"),
        ("text", ""),
        ("text", "\ud800"),
    ],
)
def test_what_is_no_letter_is_none_and_not_shown(field: str, value: str) -> None:
    with pytest.raises(Malformed) as bad:
        Mail(**{"to": "amina@example.co.ke", "subject": "s", "text": "t", field: value})
    assert bad.value.field == ("email" if field == "to" else field)
    assert not value or value not in str(bad.value)
    assert "amina" not in repr(MAIL)
