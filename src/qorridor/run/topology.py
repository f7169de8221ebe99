"""Which links join which nodes, and the path that a key takes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from qorridor.base.errors import KeySupplyError
from qorridor.estate.model import Estate


@dataclass(frozen=True, slots=True)
class Topology:
    """Links by name with their two ends, as the estate's corridors run them."""

    links: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, estate: Estate) -> Topology:
        """Every link that a corridor of the estate runs."""
        links: dict[str, tuple[str, str]] = {}
        for name, corridor in estate.corridors.items():
            links |= dict(zip(estate.link_names(name), corridor.hops, strict=True))
        return cls(links)

    @property
    def sites(self) -> set[str]:
        """Every site at which a link ends."""
        return {site for ends in self.links.values() for site in ends}

    def link_between(self, left: str, right: str) -> str:
        """The link of two neighbours; raises KeySupplyError Q-RELAY-001 when they are none."""
        for name, ends in self.links.items():
            if {left, right} == set(ends):
                return name
        raise KeySupplyError(
            "Q-RELAY-001", f"no link joins {left} and {right}", "name the link in a corridor of the estate"
        )

    def check_path(self, path: tuple[str, ...]) -> None:
        """Refuse a path that no key can take: KeySupplyError Q-RELAY-003 for a site that comes twice,
        Q-RELAY-001 for two in a row that share no link."""
        if len(set(path)) != len(path):
            raise KeySupplyError(
                "Q-RELAY-003",
                f"the path {'-'.join(path)} visits a site twice",
                "name each site once",
                path[0],
            )
        for left, right in pairwise(path):
            self.link_between(left, right)

    def links_of(self, site: str) -> list[str]:
        """Links that end at a site, in the estate's order."""
        return [name for name, ends in self.links.items() if site in ends]

    def far_end(self, link: str, site: str) -> str:
        """The other end of a link."""
        left, right = self.links[link]
        return right if site == left else left

    def neighbours(self, site: str) -> list[str]:
        """Sites that share a link with `site`."""
        return [self.far_end(link, site) for link in self.links_of(site)]

    def path(self, start: str, end: str) -> tuple[str, ...]:
        """The path with the fewest links; raises KeySupplyError Q-RELAY-002 when there is none."""
        came_from: dict[str, str] = {start: start}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for there in self.neighbours(here):
                if there not in came_from:
                    came_from[there] = here
                    queue.append(there)
        if end not in came_from:
            raise KeySupplyError(
                "Q-RELAY-002", f"no path of links leads from {start} to {end}",
                "add a corridor whose path joins them",
            )  # fmt: skip
        path = [end]
        while path[-1] != start:
            path.append(came_from[path[-1]])
        return tuple(reversed(path))
