"""What can be looked at on the machine itself: what its processes counted, alarms, logs, backups, keys."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from billing.alarms import ALARMS, COMPOSITES, MINUTE_S
from billing.alerting.settings import load as load_alerts
from billing.alerting.watch import NOTE, Kept
from billing.backup import nightly
from billing.backup import settings as backup_settings
from billing.cli.finding import Finding, untold, unwell, well
from billing.cli.frame import Frame
from billing.cli.ops.counted import Counted
from billing.cli.ops.lines import error_of
from billing.cli.show import size, span, when
from billing.domain.journal import business_day
from radius.domain.shapes import decoder

HOUR_S, DAY_S, WEEK_S = 3_600, 86_400, 7 * 86_400
FAILED_PERCENT_MAX = 5  # of what the portal was asked (the operations guide, level 2)
LATENCY_S_MAX, LOGIN_S_MAX = 2.0, 0.15
LOG_BYTES_MAX = 16 * 1024**2  # of the end of one file
LINES_SHOWN_MAX = 10
WATCH_S_MAX = 300  # it looks each minute
HITS_PERCENT_MIN = 50
LOOKUPS_JUDGED_MIN = 1_000  # of fewer most are first ones, which no cache has
DISK_PERCENT_MAX = 80
JOURNAL_S = 60


# -- what processes counted ----------------------------------------------------------------------------------------


def log_ins(frame: Frame) -> Iterator[Finding]:
    """Of the RADIUS node of this machine, since it started."""
    counted = Counted(frame.settings)
    accepts, rejects = counted.total("AccessAccepts"), counted.total("AccessRejects")
    if accepts is None or rejects is None:
        yield untold("log-ins", "no RADIUS node tells its figures on this machine")
        return
    text = f"{accepts:.0f} let in, {rejects:.0f} refused, {counted.total('AccessSilent') or 0:.0f} left unanswered"
    slow = counted.percentile("AuthLatency", 95)
    if slow is not None:
        text += f"; 95 of 100 within {slow * 1000:.0f} ms"
    late = slow is not None and slow > LOGIN_S_MAX
    yield unwell("log-ins", text, "deploy/runbooks/radius-down.md") if late else well("log-ins", text)


def pages(frame: Frame) -> Iterator[Finding]:
    """What the portal answered since it started."""
    counted = Counted(frame.settings)
    asked, failed = counted.total("PortalRequests"), counted.total("PortalRequests", Answer="failed") or 0.0
    if asked is None:
        yield untold("portal", "it tells no figures on this machine")
        return
    text = f"{asked:.0f} requests, {failed:.0f} failed"
    slow = counted.percentile("PortalLatency", 95)
    text += f"; 95 of 100 within {slow:g} s" if slow is not None else ""
    bad = failed * 100 > asked * FAILED_PERCENT_MAX or (slow is not None and slow > LATENCY_S_MAX)
    yield unwell("portal", text, "deploy/runbooks/portal-slow.md") if bad else well("portal", text)


def answers(frame: Frame) -> Iterator[Finding]:
    """The portal's requests by how they ended."""
    counted = Counted(frame.settings)
    for answer in ("done", "refused", "limited", "failed"):
        count = counted.total("PortalRequests", Answer=answer)
        if count is None:
            yield untold("portal", "it tells no figures on this machine")
            return
        yield well(f"portal: {answer}", f"{count:.0f} since it started")


def caches(frame: Frame) -> Iterator[Finding]:
    """How often a RADIUS node of this machine need not ask the store."""
    counted = Counted(frame.settings)
    for cache in ("subscriber", "names"):
        hits, misses = (counted.total(name, Cache=cache) for name in ("CacheHits", "CacheMisses"))
        if hits is None or misses is None:
            yield untold("hot cache", "no RADIUS node tells its figures on this machine")
            return
        if not hits + misses:
            yield well(f"hot cache: {cache}", "was not asked since it started")
            continue
        percent = 100 * hits / (hits + misses)
        text = f"{percent:.1f} % of {hits + misses:.0f} look-ups since it started"
        fix = f"Is {'subscriber' if cache == 'subscriber' else 'names'}_cache_entries below the number of customers?"
        low = percent < HITS_PERCENT_MIN and hits + misses >= LOOKUPS_JUDGED_MIN
        yield unwell(f"hot cache: {cache}", text, fix) if low else well(f"hot cache: {cache}", text)


# -- alarms and logs -----------------------------------------------------------------------------------------------


def alarms(frame: Frame) -> Iterator[Finding]:
    """Events that the watcher of this box has open."""
    note = frame.settings.state_dir / NOTE
    told = load_alerts(frame.settings_file)
    if not (told.email or told.sms or told.telegram_chat):
        yield untold("alarms", "nobody is told: no table [alerts] in the settings")
    try:
        kept, at = decoder(Kept).decode(note.read_bytes()), int(note.stat().st_mtime)
    except (OSError, msgspec.MsgspecError):
        yield Finding("alarms", None, "nobody watches this box", "Start it: python -m billing.alerting")
        return
    if frame.now - at > WATCH_S_MAX:
        yield unwell("alarms", f"the watcher said nothing since {when(at)}", "Start it: python -m billing.alerting")
    for event in kept.events:
        text = f"{event.says} (alarm since {when(event.began_at)}, judged over {span(_window_s(event.key))})"
        yield unwell(f"alarm {event.key}", text, "deploy/runbooks/README.md")
    if not kept.events:
        yield well("alarms", "none is on")


def _window_s(key: str) -> int:
    """Over how long an alarm is judged, or the longest of a composite's; what is no figure is looked at each minute."""
    inside = next((each.any_of for each in COMPOSITES if each.name == key), (key,))
    return max((each.period_s * each.of for each in ALARMS if each.name in inside), default=MINUTE_S)


def errors(frame: Frame) -> Iterator[Finding]:
    """Lines of level ERROR of the last hour: files of this box, else systemd's journal."""
    files = _log_files(frame)
    lines = [line for file in files for line in _end_of(file)] if files else _journal()
    if lines is None:
        yield untold("ERROR of the last hour", "no log file, and no journal that may be read: use sudo")
        return
    since = datetime.fromtimestamp(frame.now - HOUR_S, UTC).isoformat()
    seen = Counter(text for line in lines if (text := error_of(line, since)))
    for text, count in seen.most_common(LINES_SHOWN_MAX):
        yield unwell("ERROR of the last hour", f"{count} x {text}", "The log names the request; deploy/runbooks")
    if not seen:
        yield well("ERROR of the last hour", f"none in {len(files)} file(s)" if files else "none in the journal")


def _log_files(frame: Frame) -> list[Path]:
    """Where the settings say; what `deploy/run` keeps of each process."""
    if frame.settings.log_path is not None:
        return [frame.settings.log_path]
    return sorted((frame.settings.state_dir / "log").glob("*.log"))


def _end_of(file: Path) -> list[str]:
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - LOG_BYTES_MAX))
        return log.read().decode(errors="replace").splitlines()


def _journal() -> list[str] | None:
    program = shutil.which("journalctl")
    if program is None:
        return None
    command = [program, "-u", "wifibilling-*", "--since", "-1h", "-o", "cat", "-q", "--no-pager"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=JOURNAL_S)  # noqa: S603
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None


# -- backups, disk, keys -------------------------------------------------------------------------------------------


def backups(frame: Frame) -> Iterator[Finding]:
    """Those of the last seven days."""
    told = backup_settings.load(frame.settings_file)
    if told is None:
        yield unwell("backups", "none is made: no table [backup] in the settings", "README: Backup")
        return
    fresh = [path for path in nightly.kept(told.folder) if path.stat().st_mtime >= frame.now - WEEK_S]
    last = nightly.noted(frame.settings.state_dir)
    text = f"{len(fresh)} of the last 7 days in {told.folder}"
    if last is None or not fresh:
        yield unwell("backups", text, "wifibilling backup run; systemctl status wifibilling-backup.timer")
    elif last.why:
        yield unwell("backups", f"{text}; the last one failed: {last.why}", "wifibilling backup run")
    elif frame.now - last.good_at > 2 * DAY_S:
        yield unwell("backups", f"{text}; the last is {span(frame.now - last.good_at)} old", "wifibilling backup run")
    else:
        yield well("backups", f"{text}; the last of {when(last.good_at)}. Prove it: wifibilling backup verify")


def kept_backups(frame: Frame) -> Iterator[Finding]:
    """What they take of the disk."""
    told = backup_settings.load(frame.settings_file)
    files = nightly.kept(told.folder) if told else []
    if told is None or not files:
        yield untold("backups", "there is none in a folder of this machine")
        return
    whole = sum(path.stat().st_size for path in files)
    elsewhere = [place for place in (told.sftp, told.s3) if place]
    text = f"{len(files)} files, {size(whole)}, in {told.folder}; sent to {', '.join(elsewhere) or 'nowhere else'}"
    fix = "A fire takes both: set sftp or s3 in [backup]."
    yield well("backups", text) if elsewhere else unwell("backups", text, fix)


def room(frame: Frame) -> Iterator[Finding]:
    """The tables' file, and the disk that it is on."""
    file = frame.settings.store_file
    if not file.is_file():
        yield untold("tables", f"{file} is not there")
        return
    whole, used, _ = shutil.disk_usage(file.parent)
    text = f"{size(file.stat().st_size)} of tables; the disk is {100 * used // whole} % full of {size(whole)}"
    full = used * 100 >= whole * DISK_PERCENT_MAX
    yield unwell("tables", text, "Make room, or wifibilling migrate") if full else well("tables", text)


def secret_files(frame: Frame) -> Iterator[Finding]:
    """Files that only their owner may read."""
    scheme, _, path = frame.settings.key_ref.partition(":")
    files = [Path(path)] if scheme == "file" else []
    files += [frame.settings_file] if frame.settings_file else []
    for file in files:
        mode = file.stat().st_mode & 0o777
        secret = file != frame.settings_file
        open_to = mode & (0o077 if secret else 0o002)
        text = f"mode {mode:04o}"
        fix = f"chmod {'600' if secret else 'o-w'} {file}"
        yield unwell(f"{file}", f"{text}: others may use it", fix) if open_to else well(f"{file}", text)


def deeds(frame: Frame) -> Iterator[Finding]:
    """What people did by hand in 31 days: by whom, what failed or was interrupted; what was refused needs nobody."""
    days = [datetime.fromtimestamp(frame.now - back * DAY_S, UTC).date().isoformat() for back in range(31)]
    found = [deed for day in days for deed in frame.core.store.deeds.on(day, frame.now, frame.deadline())]
    ours = [deed for deed in found if frame.site in {"", deed.site}]
    by = Counter(deed.actor for deed in ours)
    yield well("by hand", ", ".join(f"{name} {count}" for name, count in by.most_common(10)) or "nothing was changed")
    odd = [deed for deed in ours if deed.outcome in {"begun", "interrupted"} or deed.outcome.startswith("failed")]
    for deed in odd[:LINES_SHOWN_MAX]:
        text = f"{deed.actor}: {deed.what} {deed.about}: {deed.outcome}"
        yield unwell("by hand", text, f"wifibilling audit --day {business_day(deed.at_ms // 1000)} --by {deed.actor}")
