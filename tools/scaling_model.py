"""How long a pass over a corpus takes on a cluster: an ordered map, event by event, and job arrays, by formula.

The ordered map is that of `asrkit/engines/dask_map.py`: one driver that cuts tasks and takes their results in order, one scheduler that
handles a task at a time, workers, a shared disk, and the driver's network. What it leaves out is said in docs/scaling.md.
"""

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from asrkit.engines.dask_map import AHEAD, BLOCK_BYTES, GOAL_S, WINDOW_BYTES


@dataclass(frozen=True)
class Work:
    """One pass: the items of a map. Seconds are those of one processor.

    Attributes
    ----------
    item_s : tuple of float
        Seconds of a worker for each item.
    read_bytes, sent_bytes, got_bytes : float
        Of an item: from the disk, with the task, and its sums.
    driver_s : float
        Of the driver for an item: to pack it, to unpack and add its sums.
    before_s, after_s : float
        Of the driver before the first task (packing the models) and after the last (estimation).
    """

    item_s: tuple[float, ...]
    read_bytes: float = 0.0
    sent_bytes: float = 0.0
    got_bytes: float = 0.0
    driver_s: float = 0.0
    before_s: float = 0.0
    after_s: float = 0.0


@dataclass(frozen=True)
class Cluster:
    """Workers of one thread and what they share.

    Attributes
    ----------
    submit_s, gather_s : float
        Of the driver for a task: to send it, and to wait for the answer once it is done.
    scheduler_s, worker_s : float
        Of the scheduler and of a worker for a task.
    sending, getting, disk, link : float
        Bytes a second: of items from the driver, of results to it, of the shared disk, and of a worker's own reading.
    spread : float
        A worker's seconds are exp(spread x z) times as many, z from a normal distribution.
    losses : float
        Of a worker, an hour. Its task comes again, first of all; it is back after `restart_s`.
    """

    workers: int
    submit_s: float = 0.0
    gather_s: float = 0.0
    scheduler_s: float = 0.0
    worker_s: float = 0.0
    sending: float = math.inf
    getting: float = math.inf
    disk: float = math.inf
    link: float = math.inf
    spread: float = 0.0
    losses: float = 0.0
    restart_s: float = 10.0
    seed: int = 0

    def slowness(self):
        """How many times a second each worker takes for a second's work: (workers,)."""
        drawn = np.random.default_rng([self.seed, 0]).standard_normal(self.workers)
        return np.exp(self.spread * drawn)


@dataclass(frozen=True)
class Outcome:
    """Seconds of a pass; by name those in which a part was busy, the workers together; tasks, and those done again."""

    seconds: float
    busy: dict[str, float]
    tasks: int
    again: int

    def shares(self, workers):
        """The part of the time that each was busy."""
        each = {**self.busy, "workers": self.busy["workers"] / workers}
        return {name: seconds / self.seconds for name, seconds in each.items()}


def ideal_s(cluster, work):
    """Seconds if nothing but the workers' own work took time and it could be cut at will."""
    return sum(work.item_s) / (1 / cluster.slowness()).sum()


@dataclass
class Task:
    items: range
    work_s: float
    took_s: float = 0.0  # as the worker measures it, its reading included
    done: bool = False


class Pass:
    """One simulation; its events are (seconds, number, function, arguments), the earliest first."""

    def __init__(self, cluster, work):
        self.cluster, self.work = cluster, work
        self.slow, self.rng = cluster.slowness(), np.random.default_rng([cluster.seed, 1])
        self.events, self.numbers = [], itertools.count()
        self.free = dict.fromkeys(("scheduler", "disk"), 0.0)  # when it can take the next
        self.busy = dict.fromkeys(("driver", "network", "scheduler", "disk", "workers"), 0.0)
        self.sent, self.queue, self.idle = deque(), deque(), list(range(cluster.workers))
        self.next, self.size, self.tasks, self.again = 0, 1, 0, 0
        self.waiting = False

    def run(self):
        """Let it happen."""
        self.busy["driver"] += self.work.before_s
        self.at(self.work.before_s, self.drive)
        while self.events:
            self.now, _, function, arguments = heapq.heappop(self.events)
            function(*arguments)
        self.busy["driver"] += self.work.after_s
        return Outcome(self.now + self.work.after_s, self.busy, self.tasks, self.again)

    def at(self, seconds, function, *arguments):
        heapq.heappush(self.events, (seconds, next(self.numbers), function, arguments))

    def serve(self, name, seconds):
        """When a part that does one thing at a time is through with this one."""
        self.busy[name] += seconds
        self.free[name] = max(self.free[name], self.now) + seconds
        return self.free[name]

    def drive(self):
        """The driver's next step: send a task while there is room, else take the results of the first."""
        cluster, work, left = self.cluster, self.work, len(self.work.item_s) - self.next
        if left and self.room():
            most = min(self.size, math.ceil(left / (AHEAD * cluster.workers)))
            if work.sent_bytes:
                most = min(most, math.ceil(BLOCK_BYTES / work.sent_bytes))
            items = range(self.next, self.next + max(most, 1))
            self.next, self.tasks = items.stop, self.tasks + 1
            self.sent.append(Task(items, sum(work.item_s[items.start : items.stop])))
            ends = self.use(cluster.submit_s, len(items) * work.sent_bytes / cluster.sending)
            self.at(ends, self.schedule, self.sent[-1])
            self.at(ends, self.drive)
        elif self.sent and self.sent[0].done:
            task = self.sent.popleft()
            count = len(task.items)
            self.size = max(1, min(4 * self.size, int(GOAL_S * count / max(task.took_s, 1e-6))))
            own_s = cluster.gather_s + count * work.driver_s
            self.at(self.use(own_s, count * work.got_bytes / cluster.getting), self.drive)
        else:
            self.waiting = bool(self.sent)

    def use(self, own_s, bytes_s):
        """When the driver is through: it waits while bytes travel."""
        self.busy["driver"] += own_s
        self.busy["network"] += bytes_s
        return self.now + own_s + bytes_s

    def room(self):
        waiting = sum(len(task.items) for task in self.sent) * self.work.sent_bytes
        full = waiting >= WINDOW_BYTES and len(self.sent) >= self.cluster.workers
        return len(self.sent) < AHEAD * self.cluster.workers + 1 and not full

    def schedule(self, task):
        self.at(self.serve("scheduler", self.cluster.scheduler_s / 2), self.assign, task)

    def assign(self, task):
        self.queue.append(task)
        self.start()

    def start(self):
        """Give waiting tasks to idle workers, the fastest to ask first; here by number."""
        while self.queue and self.idle:
            self.begin(heapq.heappop(self.idle), self.queue.popleft())

    def begin(self, worker, task):
        num_bytes = len(task.items) * self.work.read_bytes
        read = max(
            self.serve("disk", num_bytes / self.cluster.disk), self.now + num_bytes / self.cluster.link
        )
        ends = read + (task.work_s + self.cluster.worker_s) * self.slow[worker]
        lost = self.rng.exponential(3600 / self.cluster.losses) if self.cluster.losses else math.inf
        if self.now + lost < ends:
            self.busy["workers"] += lost
            self.at(self.now + lost, self.lose, worker, task)
        else:
            self.busy["workers"] += ends - self.now
            task.took_s = ends - self.now
            self.at(ends, self.finish, worker, task)

    def lose(self, worker, task):
        self.again += 1
        self.queue.appendleft(task)
        self.at(self.now + self.cluster.restart_s, self.back, worker)
        self.start()

    def back(self, worker):
        heapq.heappush(self.idle, worker)
        self.start()

    def finish(self, worker, task):
        self.at(self.serve("scheduler", self.cluster.scheduler_s / 2), self.arrive, task)
        self.back(worker)

    def arrive(self, task):
        task.done = True
        if self.waiting and task is self.sent[0]:
            self.waiting = False
            self.drive()


def simulate(cluster, work):
    """Seconds of a pass and what was busy: the same with the same seed."""
    return Pass(cluster, work).run()


def machine_s(cluster, work, cores):
    """Seconds of a pass where driver, scheduler and workers share the cores of one machine, and of its processors.

    The processors' seconds, shared evenly, are a lower bound.
    """
    outcome = simulate(cluster, work)
    tasks_s = outcome.tasks * (cluster.submit_s + cluster.scheduler_s + cluster.worker_s)
    own_s = work.before_s + work.after_s + len(work.item_s) * work.driver_s
    cpu_s = sum(work.item_s) + tasks_s + own_s
    return max(outcome.seconds, cpu_s / cores), cpu_s


@dataclass(frozen=True)
class Arrays:
    """Job arrays: an iteration is an array of tasks, then the sum of their files and an estimate, in a job of their own.

    Attributes
    ----------
    start_s : float
        Of a process, until it begins to read.
    queue_s : float
        That a job waits for its turn; twice an iteration.
    read_s, read_bytes : float
        Of a task, for reading the whole corpus, of which it scores its share.
    tables_s : float
        Of a task, for the tables of the whole directory, which tell it what its share is.
    own : bool
        A task reads its share alone, for the lengths of the others are known.
    """

    start_s: float
    queue_s: float
    read_s: float
    read_bytes: float
    tables_s: float = 0.0
    own: bool = False

    def seconds(self, cluster, work):
        """Of an iteration, and its parts by name, on as many tasks as there are workers."""
        tasks = min(cluster.workers, len(work.item_s))
        share, slow = 1 / tasks if self.own else 1.0, float(cluster.slowness().max())
        from_disk = share * self.read_bytes * max(tasks / cluster.disk, 1 / cluster.link)
        reading_s, tables_s = share * self.read_s * slow, self.tables_s * slow
        most = math.ceil(len(work.item_s) / tasks)
        scoring_s = most * sum(work.item_s) / len(work.item_s) * slow
        adding_s = len(work.item_s) * (  # sums of each block
            work.driver_s + 2 * work.got_bytes / cluster.disk
        )
        parts = {
            "start": 2 * self.start_s + (slow - 1) * self.start_s,
            "queue": 2 * self.queue_s,
            "disk": max(0.0, from_disk - reading_s - scoring_s),
            "reading": reading_s,
            "tables": tables_s,
            "workers": scoring_s,
            "sums": adding_s + work.after_s,
        }
        return sum(parts.values()), parts
