"""What the pages say of an incident, in English and Swahili. A native reader should look at the Swahili first."""

from billing.domain.brand import NoticeState
from billing.domain.notice import What
from radius.domain.nas import Language

_E, _S = Language.ENGLISH, Language.SWAHILI
INVESTIGATING, IDENTIFIED, RESOLVED = NoticeState.INVESTIGATING, NoticeState.IDENTIFIED, NoticeState.RESOLVED

WORDS: dict[tuple[NoticeState, What], dict[Language, str]] = {
    (INVESTIGATING, What.INTERNET): {
        _E: "We see a problem with the internet since {time}. We are looking into it.",
        _S: "Tumeona tatizo la intaneti tangu {time}. Tunalifuatilia.",
    },
    (INVESTIGATING, What.PAYMENTS): {
        _E: "M-Pesa payments fail since {time}. Please do not pay again: we are looking into it.",
        _S: "Malipo ya M-Pesa hayapiti tangu {time}. Tafadhali usilipe tena: tunafuatilia.",
    },
    (IDENTIFIED, What.INTERNET): {
        _E: "We know why the internet fails since {time}, and are mending it.",
        _S: "Tumejua chanzo cha tatizo la intaneti tangu {time}, na tunarekebisha.",
    },
    (IDENTIFIED, What.PAYMENTS): {
        _E: "We know why M-Pesa payments fail since {time}, and are mending it. Please do not pay again yet.",
        _S: "Tumejua chanzo cha tatizo la malipo ya M-Pesa tangu {time}, na tunarekebisha. Usilipe tena kwa sasa.",
    },
    (RESOLVED, What.INTERNET): {
        _E: "The internet works again since {time}. Sorry for the trouble.",
        _S: "Intaneti inafanya kazi tena tangu {time}. Samahani kwa usumbufu.",
    },
    (RESOLVED, What.PAYMENTS): {
        _E: "You can pay by M-Pesa again since {time}. Sorry for the trouble.",
        _S: "Unaweza kulipa kwa M-Pesa tena tangu {time}. Samahani kwa usumbufu.",
    },
}


def said(state: NoticeState, about: What, time: str) -> tuple[str, str]:
    """English and Swahili; `time` is that of Nairobi. Raises KeyError for a state that is none of an incident."""
    words = WORDS[state, about]
    return words[_E].format(time=time), words[_S].format(time=time)
