"""Everything on one machine: engine, workers, FreeRADIUS; then the story; then it stays up, or with --once ends.

Root only opens the door: where an unprivileged user can read the clone, all servers run as that user.
"""

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from deploy import application, programs
from deploy.install import VENV
from deploy.options import ROOT, Options, parse
from deploy.ports import check_free
from deploy.precheck import check_box
from deploy.refusal import Refusal, exit_code, say
from deploy.state import State
from deploy.supervisor import Supervisor

UNPRIVILEGED_USER = "freerad"  # the distribution's own for FreeRADIUS: it may read the stock raddb
STORY_TIMEOUT_S = 180.0  # the story takes seconds; a hung one must not hang --once
STORY_STOP_S = 5.0
WATCH_S = 0.5
INTERRUPTED = 130


def become_unprivileged(state_folder: Path) -> None:
    """As root: make the state folder and go on as its owner.

    A new folder belongs to the unprivileged user if that user can read the clone and reach the folder (a clone below
    /root or a closed home cannot be read), else to root. An old one keeps its owner.

    Raises:
        Refusal: the folder's owner is unknown to this machine.
    """
    if os.geteuid() != 0:
        return
    if not state_folder.exists():
        state_folder.mkdir(mode=0o700, parents=True)
        give_away(state_folder)
    try:
        owner = pwd.getpwuid(state_folder.stat().st_uid)
    except KeyError:
        raise Refusal(f"the state folder {state_folder} belongs to a user that this machine does not know") from None
    if owner.pw_uid == 0:
        return
    if not can_serve(owner.pw_name, state_folder):
        raise Refusal(f"{state_folder} belongs to {owner.pw_name}, who cannot read {ROOT}: name another --state")
    os.initgroups(owner.pw_name, owner.pw_gid)
    os.setgid(owner.pw_gid)
    os.setuid(owner.pw_uid)
    os.environ.update(HOME=str(state_folder), USER=owner.pw_name, LOGNAME=owner.pw_name)


def give_away(folder: Path) -> None:
    """As root: a new folder with all that is in it to the unprivileged user, if that one could serve from it."""
    if not can_serve(UNPRIVILEGED_USER, folder.parent):
        say(f"user {UNPRIVILEGED_USER} cannot read {ROOT} or {folder.parent}: everything runs as root")
        return
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def can_serve(name: str, folder: Path) -> bool:
    """Whether the user exists, can read this clone and its .venv, and can enter the folder."""
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return False
    probe = "import os, sys, deploy.options, radius; sys.exit(not os.access(sys.argv[1], os.X_OK))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", probe, str(folder)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=os.getgrouplist(name, user.pw_gid),
        cwd="/",
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def start_all(options: Options, state: State, supervisor: Supervisor) -> Path:
    """Start what serves, in the order of who needs whom, and return the settings file.

    Raises:
        Refusal: one of them did not start.
    """
    programs.write_key(state.key_file)
    settings_path = application.write_settings(options, state)
    supervisor.start(application.engine_program(options, state))
    application.prepare_site(settings_path, options.ports)
    raddb = programs.lay_configuration(options, state, settings_path)
    supervisor.start(programs.worker_program(settings_path))
    supervisor.start(programs.coa_program(settings_path))
    simulated = application.simulated_program(options, state)
    if simulated is not None:
        supervisor.start(simulated)
    supervisor.start(application.portal_program(options, state, settings_path))
    supervisor.start(application.billing_program(options, state, settings_path))
    supervisor.start(programs.freeradius_program(raddb, settings_path))
    return settings_path


def tell_story(options: Options, settings_path: Path, supervisor: Supervisor, stopping: threading.Event) -> int:
    """Play the demo and return its verdict; a server that dies meanwhile is a bad one."""
    story = subprocess.Popen(
        application.story_command(options, settings_path),
        stdin=subprocess.DEVNULL,
        env=programs.application_environment(),
        start_new_session=True,
    )
    until = time.monotonic() + STORY_TIMEOUT_S
    try:
        while story.poll() is None and not supervisor.deaths:
            if stopping.is_set():
                return INTERRUPTED
            if time.monotonic() > until:
                raise Refusal(f"the story did not end in {STORY_TIMEOUT_S:.0f} s")
            stopping.wait(WATCH_S)
            supervisor.watch()
    finally:
        end_story(story)
    if supervisor.deaths:
        raise Refusal("a server died during the story (see above)")
    return story.returncode


def end_story(story: subprocess.Popen[bytes]) -> None:
    """Stop a story that is still being told."""
    if story.poll() is None:
        story.terminate()
        try:
            story.wait(STORY_STOP_S)
        except subprocess.TimeoutExpired:
            story.kill()
            story.wait()


def stay_up(options: Options, state: State, supervisor: Supervisor, stopping: threading.Event) -> None:
    """Serve until told to stop."""
    ports = options.ports
    say(f"serving RADIUS: authentication on UDP {ports.auth}, accounting on UDP {ports.acct}")
    say("try it: echo 'User-Name=0712345678,User-Password=x,Message-Authenticator=0' |")
    say(f'    radclient -x 127.0.0.1:{ports.auth} auth "$(sudo cat {state.folder}/demo-router.secret)"')
    say("a real router: register it as README.md tells ('First router in ten minutes'); it works within 30 seconds")
    say(f"the operator's command: sudo {VENV}/bin/wifibilling sessions list --settings {state.settings_file}")
    say(f"data, keys and logs (freeradius.log: a line a packet; coa.log: a line a cut or change): {state.folder}")
    money = "M-Pesa as the environment says" if application.has_real_money() else "M-Pesa is SIMULATED: no money moves"
    say(f"the portal: http://127.0.0.1:{ports.portal} ({money})")
    hotspot = f"http://127.0.0.1:{ports.demo_hotspot}"
    say(f"be its customer: open {hotspot} in a browser on this box, the log-in page of the demo's router (a fake")
    say(f"    one: no internet is behind it); {hotspot}/another is a phone that nobody has seen")
    served = (
        ports.radius_metrics,
        ports.worker_metrics,
        ports.coa_metrics,
        ports.portal_metrics,
        ports.billing_metrics,
    )
    say(f"metrics: {', '.join(f'http://127.0.0.1:{port}/metrics' for port in served)}")
    say(f"Ctrl-C or 'kill {os.getpid()}' stops it")
    while not stopping.wait(WATCH_S):
        supervisor.watch()


def run(options: Options, stopping: threading.Event) -> int:
    """Start, tell, serve, stop; return the exit code.

    Raises:
        Refusal: in one line, why it cannot run; nothing of it runs then.
    """
    os.umask(0o077)
    state = State(options.state)
    claim = state.claim()
    try:
        state.make()
        state.end_leftovers()
        check_free(options.ports)
        supervisor = Supervisor(state, stopping)
        try:
            settings_path = start_all(options, state, supervisor)
            verdict = tell_story(options, settings_path, supervisor, stopping)
            if verdict != 0 or options.once:
                return verdict
            supervisor.start(application.hotspot_program(options, settings_path))
            supervisor.start(application.alerts_program(settings_path))
            stay_up(options, state, supervisor, stopping)
        finally:
            supervisor.stop()
    finally:
        os.close(claim)
    say("stopped")
    return 0


def main() -> int:
    """Run the box for the command line."""
    options = parse(sys.argv[1:])
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: stopping.set())
    check_box(options)
    for name in programs.OWN_VARIABLES:  # they are in `options` now; the application refuses what it does not know
        os.environ.pop(name, None)
    become_unprivileged(options.state)
    return run(options, stopping)


if __name__ == "__main__":
    sys.exit(exit_code(main))
