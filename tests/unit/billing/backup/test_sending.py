"""Where backups are sent: what OpenSSH's sftp is told, and what an S3 client is handed."""

from pathlib import Path
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError

from billing.backup.nightly import send_s3, send_sftp
from billing.backup.settings import BackupSettings
from radius.domain.errors import Malformed, Unavailable


@pytest.fixture
def sftp(tmp_path: Path) -> Path:
    """Stands for OpenSSH's: writes down how it was called, and ends as `code` says."""
    program = tmp_path / "sftp"
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/called\ncat >{tmp_path}/batch\n. {tmp_path}/code\n')
    program.chmod(0o755)
    (tmp_path / "code").write_text("exit 0")
    return program


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("wifi@host:", "a.backup"),
        ("wifi@host:boxes/kilifi/", "boxes/kilifi/a.backup"),
        ("wifi@host:/srv/x", "/srv/x/a.backup"),
    ],
)
def test_sftp_asks_nothing_and_names_it_when_it_is_whole(sftp: Path, tmp_path: Path, target: str, name: str) -> None:
    send_sftp(tmp_path / "a.backup", target, str(sftp))
    assert (tmp_path / "called").read_text() == "-b - -o BatchMode=yes wifi@host\n"
    assert (tmp_path / "batch").read_text() == (
        f'put "{tmp_path}/a.backup" "{name}.new"\nrename "{name}.new" "{name}"\n'
    )


def test_what_sftp_says_is_told(sftp: Path, tmp_path: Path) -> None:
    (tmp_path / "code").write_text("echo 'Permission denied (publickey).' >&2; exit 255")
    with pytest.raises(Unavailable, match="Permission denied"):
        send_sftp(tmp_path / "a.backup", "wifi@host:", str(sftp))
    with pytest.raises(Malformed, match="openssh-client"):
        send_sftp(tmp_path / "a.backup", "wifi@host:", str(tmp_path / "none"))


class Bucket:
    def __init__(self) -> None:
        self.took: list[tuple[str, str, str]] = []

    def upload_file(self, path: str, bucket: str, key: str) -> None:
        if bucket == "closed":
            raise S3UploadFailedError("Access Denied")
        self.took.append((path, bucket, key))


def test_s3_takes_it_below_the_prefix(tmp_path: Path) -> None:
    bucket = Bucket()
    send_s3(tmp_path / "a.backup", "boxes/kilifi", bucket)
    send_s3(tmp_path / "a.backup", "boxes", bucket)
    path = str(tmp_path / "a.backup")
    assert bucket.took == [(path, "boxes", "kilifi/a.backup"), (path, "boxes", "a.backup")]
    with pytest.raises(Unavailable, match="Access Denied"):
        send_s3(tmp_path / "a.backup", "closed", bucket)


@pytest.mark.parametrize("bad", [{"sftp": "-oProxyCommand=x@host:"}, {"sftp": 'a@b:"x'}, {"s3": "S3://x"}, {"keep": 0}])
def test_what_could_be_an_option_or_a_command_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        BackupSettings.model_validate({"folder": "/srv", "passphrase_ref": "file:/x", **bad})
