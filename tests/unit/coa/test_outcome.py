"""The table of answers, row by row."""

import pytest

from coa.codec import Code
from coa.families import WAYS
from coa.outcome import CAUSES, REFUSALS, Acked, Answer, Nak, Reason, Refused, Silent, Verdict, explain, meaning
from radius.domain.nas import Family

CUT, COA = Code.DISCONNECT_REQUEST, Code.COA_REQUEST
RFC = WAYS[Family.MIKROTIK]


def nak(cause: int | None) -> Nak:
    return Nak(tries=1, round_trip_s=0.01, error_cause=cause)


ROWS: list[tuple[Answer, Verdict, Verdict]] = [
    (Acked(1, 0.01), Verdict.DONE, Verdict.DONE),
    (Acked(1, 0.01, 201), Verdict.DONE, Verdict.DONE),
    (nak(401), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (nak(402), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (nak(403), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (nak(404), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (nak(405), Verdict.CONFIGURATION, Verdict.ESCALATE),
    (nak(406), Verdict.CONFIGURATION, Verdict.ESCALATE),
    (nak(407), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (nak(501), Verdict.CONFIGURATION, Verdict.ESCALATE),
    (nak(502), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (nak(503), Verdict.GONE, Verdict.GONE),
    (nak(504), Verdict.LATER, Verdict.LATER),
    (nak(505), Verdict.LATER, Verdict.LATER),
    (nak(506), Verdict.LATER, Verdict.LATER),
    (nak(507), Verdict.UNKNOWN, Verdict.UNKNOWN),
    (nak(508), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (nak(None), Verdict.LATER, Verdict.LATER),
    (nak(999), Verdict.LATER, Verdict.LATER),
    (nak(0), Verdict.LATER, Verdict.LATER),
    (Silent(4, 30.0), Verdict.UNKNOWN, Verdict.UNKNOWN),
    (Silent(4, 30.0, closed=True), Verdict.UNKNOWN, Verdict.UNKNOWN),
    (Refused(Reason.NO_COA), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (Refused(Reason.NO_CHANGE), Verdict.ESCALATE, Verdict.ESCALATE),
    (Refused(Reason.IDENTITY), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (Refused(Reason.MALFORMED), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (Refused(Reason.ADDRESS), Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    (Refused(Reason.NO_ROUTE), Verdict.LATER, Verdict.LATER),
    (Refused(Reason.DOWN), Verdict.LATER, Verdict.LATER),
    (Refused(Reason.BUSY), Verdict.LATER, Verdict.LATER),
    (Refused(Reason.CANCELLED), Verdict.DROPPED, Verdict.DROPPED),
]


@pytest.mark.parametrize(("answer", "cut", "changed"), ROWS)
def test_what_an_answer_means(answer: Answer, cut: Verdict, changed: Verdict) -> None:
    assert meaning(CUT, answer, RFC).verdict is cut
    assert meaning(COA, answer, RFC).verdict is changed


def test_every_cause_and_reason_has_its_row_here() -> None:
    answers = [row[0] for row in ROWS]
    assert {answer.error_cause for answer in answers if isinstance(answer, Nak)} >= set(CAUSES)
    assert {answer.reason for answer in answers if isinstance(answer, Refused)} == set(Reason) == set(REFUSALS)


@pytest.mark.parametrize("family", [Family.COOVA, Family.USPOT])
def test_a_nak_without_a_cause_is_what_the_family_means_by_it(family: Family) -> None:
    assert meaning(CUT, nak(None), WAYS[family]) == CAUSES[503]
    assert meaning(CUT, nak(506), WAYS[family]) == CAUSES[506]


@pytest.mark.parametrize("row", [*CAUSES.values(), *REFUSALS.values()], ids=lambda row: f"{row.name}-{row.verdict}")
def test_words_are_sentences_without_protocol_jargon(row: object) -> None:
    words = row.words  # type: ignore[attr-defined]
    assert words[0].isupper()
    assert words.endswith(".")
    assert "NAK" not in words
    assert "RFC" not in words


def test_an_explanation_names_what_the_router_named() -> None:
    answer = Nak(1, 0.02, 401, ("NAS-IP-Address",), "what is this?")
    said = explain(CUT, answer, RFC)
    assert said.startswith("401 Unsupported-Attribute: The router does not know")
    assert "It names NAS-IP-Address." in said
    assert 'It says: "what is this?"' in said
    assert explain(CUT, Refused(Reason.IDENTITY, "Framed-IP-Address"), RFC).endswith("(Framed-IP-Address)")
    assert explain(CUT, Acked(1, 0.01), RFC) == "ACK: The router says it is done."
    assert explain(CUT, Silent(4, 30.0, ignored=3), RFC).endswith("3 datagrams came that were not its answer.")
