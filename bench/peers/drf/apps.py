"""Django's configuration of the app."""

from django.apps import AppConfig


class PeerConfig(AppConfig):
    """The only app of this shop; its tables begin with `peer_`."""

    name = "bench.peers.drf"
    label = "peer"
