"""A systemd unit that runs Mobula on one machine: started at boot, again after a failure.

Flows in: values. Flows out: the unit, and an example of the file with what is secret. `up` in the
foreground is the service and supervises its cluster itself; systemd starts `up` again where that
has died or has given up.
"""

from cluster.production import compose, environment
from cluster.production.values import InvalidValues, Values

START_S = 360  # `up` waits 300 s, and installs itself before that the first time
STOP_S = 60  # `up` drains, then ends everything it started
RESTART_S = 10
FILES = 65536  # HAProxy holds two for each connection
SECRETS = {
    name: about
    for name, about in compose.SECRETS.items()
    if name in ("MOBULA_PEPPER", "MOBULA_BOOTSTRAP_KEY")
}


def files(values: Values) -> dict[str, str]:
    """Raises BadValues."""
    unit = f"{values.name}.service"
    return {unit: _unit(values), "example.env": _example()}


def _unit(values: Values) -> str:
    own = values.systemd
    up = f"{own.folder}/mobula up --resume"
    return f"""\
[Unit]
Description=Mobula inference cluster ({values.name})
After=network-online.target postgresql.service redis-server.service
Wants=network-online.target
StartLimitIntervalSec=30min
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
User={own.user}
Group={own.user}
WorkingDirectory={own.folder}
StateDirectory={own.state}
StateDirectoryMode=0700
UMask=0077
{_environment(values)}
EnvironmentFile=-{own.secrets_file}
# After a crash with what was deployed last. Change it with `mobula deploy`.
ExecStart={up}
TimeoutStartSec={START_S}
# SIGTERM to `up`, which lets requests finish and ends what it started; then the rest is killed.
KillMode=mixed
TimeoutStopSec={STOP_S}
Restart=on-failure
RestartSec={RESTART_S}
# A replica that was killed for memory is replaced; it is no reason to end the rest.
OOMPolicy=continue
LimitNOFILE={FILES}
LimitCORE=0
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=full
ProtectHome=read-only
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectControlGroups=true
RestrictSUIDSGID=true
LockPersonality=true

[Install]
WantedBy=multi-user.target
"""


def _environment(values: Values) -> str:
    """Lines of the unit; systemd would expand `%` and split at quotes."""
    plain = {
        "MOBULA_HOME": f"/var/lib/{values.systemd.state}",
        **environment.optional_variables(values),
    }
    return "\n".join(f'Environment="{name}={_quoted(name, text)}"' for name, text in plain.items())


def _quoted(name: str, text: str) -> str:
    if not text.isprintable():
        raise InvalidValues(f"{name}: has characters that a unit cannot hold")
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _example() -> str:
    optional = "# Optional; without it a file in the home is made.\n"
    return optional + "".join(f"# {about}\n#{name}=\n" for name, about in SECRETS.items())
