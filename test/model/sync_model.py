#!/usr/bin/env python3
"""sync_model.py [deep] [NAME…]: an exhaustive model of the protocol in src/sync/README.md.

Every interleaving of the few operations that a scenario allows is tried, breadth first,
so that what goes wrong is shown by a shortest history.  The network is the set of all
deltas ever made: each may be merged by anyone at any time, many times, or never; so loss,
copies and reordering need no operations of their own.

A rule of the protocol is a name in RULES; a control takes one away, and must be caught.

A dot is the number site * WIDTH + txn; a set of dots is an integer, one bit each.  A
stamp is (time, dot), () none.  The state of a key is (life, base, register), as in
row_state.h with one register, None when nothing is known.  The value written is the stamp.

Where rows refer to others, key 0 is the parent and key 1 the child; a stamp of the child has a third place: 'p' for
a child that refers to the parent, 'm' for one that was moved, '0' for one that went with it where the parent was deleted, 'a' for
what a merge's action wrote.
"""
import multiprocessing
import os
import sys
from collections import namedtuple
from functools import lru_cache
from types import SimpleNamespace

WIDTH = 12
SITE = (1 << WIDTH) - 1

# One database.  "txns": the open ones, each (dot, status, effects); "foreign": dots of other sites, and
# of own former ones; "log": of each key the dots that touched it; "floor": dots whose log and tombstones were
# forgotten; "life": the longest life forgotten; "acks": what the others said they hold; "away": retired ones;
# "parts": (batch, part) of
# those merged of deltas that are not complete; "pending": dots that came in a row before they are covered (only to check by);
# "met": those that it has heard of; "waits": the parent is shown though it is known to be deleted, as the child refers to it;
# "lacks": of each key, as it is a table of its own, None, or (dots that the version covers and the table may lack, sites that
# have told it whole since, whether it was made again here, the number of the question).
Node = namedtuple('Node', 'site next txns foreign rows log floor life acks away parts pending met lacks waits', defaults=(False,))
# "whole": questions that are answered, (key, number): these are told whole; "lacks": what the sender lacks, as of a node.
Delta = namedtuple('Delta', 'base to known floor life rows batch part sender whole lacks')
# "decided": what became of prepared transactions, the same in copies; "ghost": (dot, key, effect) of all that
# committed; "left": what may still be done, by name; "safe": of each node
# what a crash leaves; "wal": commit records of the streaming node; "sub": (position, wanted, whole) of the subscriber; "gone":
# what was in "ghost" until the last table that had it was dropped; "knew": (dot, version) of who deleted the parent.
World = namedtuple('World', 'nodes net ghost left safe wal sub decided gone knew', defaults=((),))

RULES = {
    'holes': 'the own part of a version is a snapshot, not the greatest number',
    'own hole': 'the own open transaction is a hole',
    'flush': 'WAL is flushed before a version is told',
    'together': 'no part claims the first transactions of its delta by itself',
    'all': 'a delta claims nothing before all its parts were merged, the last one neither',
    'beyond': 'keys are told of all logged dots that the receiver lacks, also those that the version does not cover yet',
    'gap': 'base must be covered',
    'base': 'base is all that the receiver covers, also what the sender does not cover',
    'filter': 'atoms that are covered are left out',
    'join': 'a merge joins, it does not overwrite',
    'ties': 'equal times are decided by site',
    'acks': 'forgotten only if all active peers acknowledged',
    'acks covered': 'forgotten only if the own version covers all acknowledgements',
    'life': 'after forgetting, a key is born with a longer life than any forgotten one',
    'life told': 'a delta tells the longest forgotten life',
    'receiver knows': 'a delta with forgotten dots is only for those who cover them, or hold nothing',
    'sender knows': 'a delta of one who does not know what was forgotten here is refused',
    'floor told': 'who starts from a delta takes over what it has forgotten',
    'whole': 'a stream is not whole before a pull has filled what came before',
    'next': 'a stream is whole when all numbers given out by its first row are covered, not that row alone',
    'stream met': 'forgetting waits for who is heard of by a stream',
    'stream late': 'a row of a stream is not taken whose sender had not heard of what was forgotten, and the stream is not whole then',
    'in progress': 'an own dot is unknown if its number was not given out yet, not if it is in progress',
    'waits': 'a delete takes no row along before the version covers it',
    'claims less': 'a stream does not claim a delete that waits',
    'loses': 'what an action writes is later than what it saw, and earlier than what anybody writes who saw that',
    'new life': 'a restored or cloned node takes a new incarnation',
    'committed': 'of its old life it claims only what committed',
    'decided': 'a prepared transaction ends in a copy as in the original',
    'prepared': 'a prepared transaction that it inherited is claimed when it commits',
    'lacks': 'a table that is made again lacks what the version covers',
    'builds on': 'what builds on a table before it was made again does not make it whole',
    'tombstones': 'a table that is made again keeps the tombstones that it had',
    'asks': 'what a table lacks is told whole, covered or not',
    'lacks told': 'what the sender of a delta lacks, and the receiver did not cover, the receiver lacks then',
    'all heard': 'a table is whole when what is told covers what it lacks, or all peers have told it',
    'answers': 'what was told whole for another question than the present one is not whole',
    'made again': 'who only learnt of the lack does not count what is told by who made the table again and lacks it still',
}


class Violation(Exception):
    pass


def join(a, b, ties=True):
    """The least state that holds both."""
    if a is None or b is None:
        return a or b
    if a[0] != b[0]:
        return max(a, b)
    if ties:
        return (a[0], max(a[1], b[1]), max(a[2], b[2]))
    return (a[0],) + tuple(y if y[:1] > x[:1] else x for x, y in zip(a[1:], b[1:]))


def strip(row, covered):
    """What is left of a row without the atoms whose dot is covered; None if nothing."""
    base, register = (() if s and covered >> s[1] & 1 else s for s in row[1:])
    return (row[0], base, register) if base or register else None


def dots_of(row):
    return sum({1 << s[1] for s in row[1:] if s}) if row else 0


def alive(row):
    return row is not None and row[0] & 1 == 1


@lru_cache(1 << 20)
def ideal(ghost, version, key):
    """The join of all effects that a version covers."""
    row = None
    for dot, k, effect in ghost:
        if k == key and version >> dot & 1:
            row = join(row, effect)
    return row


def bits(mask):
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def show(mask):
    sites = {}
    for dot in bits(mask):
        sites.setdefault(dot // WIDTH, []).append(str(dot % WIDTH))
    return '{' + ', '.join('%s: %s' % ('ABCDEFGH'[s], ' '.join(n)) for s, n in sites.items()) + '}'


class Model:
    def __init__(self, scenario, without=None):
        self.c = SimpleNamespace(**{**DEFAULTS, **scenario})
        self.rules = set(RULES) - set(self.c.without) - {without}
        self.settled, self.acted = set(), []

    # ---- what a node says and does

    def own(self, node):
        """The own part of the version: what a snapshot shows as ended."""
        ended = (1 << node.next) - 1
        if 'holes' in self.rules:
            for dot, _, _ in node.txns:
                if dot // WIDTH == node.site:
                    ended &= ~(1 << dot % WIDTH)
        else:
            open_numbers = {dot % WIDTH for dot, _, _ in node.txns}
            ended = (2 << max((n for n in range(node.next) if n not in open_numbers), default=0)) - 1
        return ended << node.site * WIDTH

    def version(self, node):
        return self.own(node) | node.foreign

    def asks(self, node):
        return tuple((k, lack[3]) for k, lack in enumerate(node.lacks) if lack) if 'asks' in self.rules else ()

    def changes(self, node, since, whole=()):
        """The parts of a delta; "whole" are what the receiver asks."""
        asked = {k for k, _ in whole}
        to = self.version(node)
        if 'own hole' not in self.rules and node.txns:
            to |= 1 << node.txns[0][0]
            node = self.ended(node, 0, True)
        rows = node.rows
        life = node.life if 'life told' in self.rules else 0
        missing, base = to & ~since, since if 'base' in self.rules else since & to
        if 'beyond' in self.rules:
            missing = ~since        # also what this node has of deltas that are not complete
        told = []
        for k, row in enumerate(rows):
            if row and (node.log[k] & missing or node.floor & ~since or k in asked):
                row = row if k in asked else strip(row, since)
                told += [(k, row)] if row else []
        told = tuple(told)
        if not self.c.parts or len(told) < 2:
            return [Delta(base, to, to, node.floor, life, told, None, 0, node.site, whole, node.lacks)]
        if 'together' in self.rules:
            return [Delta(base, to, to, node.floor, life, (row,), (base, to, told), i, node.site, whole, node.lacks)
                    for i, row in enumerate(told)]
        # the transactions in order: each part claims what is below the first that is left
        first = sorted((min(bits(node.log[k] & missing)), k, row) for k, row in told)
        parts = []
        for i, (_, k, row) in enumerate(first):
            claim = to if i + 1 == len(first) else base & to | to & ((1 << first[i + 1][0]) - 1)
            parts.append(Delta(base, claim, to, node.floor, life, ((k, row),), None, 0, node.site, whole, node.lacks))
            base = claim
        return parts

    def holds_nothing(self, node):
        return not (any(node.rows) or node.txns or node.foreign)

    def merge(self, node, delta):
        """The node after the merge, or a word: why not."""
        version = self.version(node)
        if 'gap' in self.rules and delta.base & ~version:
            return 'gap'
        empty = self.holds_nothing(node)
        if 'receiver knows' in self.rules and delta.floor & ~version and not empty:
            return 'start over'
        if 'sender knows' in self.rules and node.floor & ~delta.known:
            return 'sender must start over'
        own = SITE << node.site * WIDTH
        unknown = delta.to & own & ~self.own(node)
        if unknown and ('in progress' not in self.rules or unknown >> node.site * WIDTH + node.next):
            raise Violation('a delta has dots %s of the receiver, so this takes itself for put back' % show(unknown))
        lacking = [k for k, lack in enumerate(node.lacks) if self.answers(delta, k, lack)]
        before, node = node, self.merge_rows(node, delta.rows, version, lacking)
        if node is None:
            return 'locked'
        parts = node.parts
        if delta.batch and 'all' in self.rules:
            parts |= {(delta.batch, delta.part)}
            of_batch = {part for part in parts if part[0] == delta.batch}
            if len(of_batch) < len(delta.batch[2]):
                node = self.act(before, node, version)
                pending = node.pending
                for _, row in delta.rows:
                    pending |= dots_of(row) & ~version
                return node._replace(parts=parts, life=max(node.life, delta.life), pending=pending)
            parts -= of_batch
        foreign = node.foreign | delta.to & ~own
        node = self.act(before, node, version | delta.to)
        if empty and 'floor told' in self.rules:
            node = node._replace(floor=node.floor | delta.floor)
        pending = node.pending
        for _, row in delta.rows:
            pending |= dots_of(row)
        pending &= ~(foreign | self.own(node))
        return node._replace(foreign=foreign, life=max(node.life, delta.life), parts=parts, pending=pending,
                             lacks=self.hear(node, delta, version))

    def answers(self, delta, k, lack):
        return lack and any(k == other and ('answers' not in self.rules or lack[3] == number) for other, number in delta.whole)

    def hear(self, node, delta, version):
        """What is lacking after a delta."""
        lacks = []
        for k, (lack, theirs) in enumerate(zip(node.lacks, delta.lacks)):
            is_told = self.answers(delta, k, lack)
            if is_told:
                dots, heard, here, number = lack
                counts = 'made again' not in self.rules or here or not (theirs and theirs[2])
                if counts:
                    heard |= 1 << delta.sender
                dots &= ~(delta.to & ~(theirs[0] if theirs else 0))
                done = not dots or heard and not self.peers(node) & ~heard or 'all heard' not in self.rules
                lack = None if done else (dots, heard, here, number)
            new = theirs[0] & ~version if theirs and 'lacks told' in self.rules else 0
            if lack and not is_told and 'builds on' in self.rules:
                new |= delta.to & ~version
            if new:
                dots, here, number = (lack[0] | new, lack[2], lack[3][0]) if lack else (new, False, 0)
                lack = (dots, 0, here, (number, dots))
            lacks.append(lack)
        return tuple(lacks)

    def peers(self, node):
        return sum(1 << j for i, j in self.c.pulls if i == node.site and not node.away >> j & 1)

    def make_again(self, i, node, k):
        """Drops a table and makes it again; what nobody else was told of is gone."""
        if any(k == other for _, _, effects in node.txns for other, _ in effects):
            return None
        others = node.foreign
        gone = 0
        for dot, other, _ in self.world.ghost:
            if other == k and not any((self.version(n) & ~(n.lacks[k][0] if n.lacks[k] else 0)) >> dot & 1
                                      for j, n in enumerate(self.world.nodes) if n and j != i):
                gone |= 1 << dot
        # what is not promised: that it was told to somebody is not known here, or what is told whole is under way
        if any(delta.to & gone & SITE << node.site * WIDTH or k in dict(delta.whole) and delta.sender == node.site for delta in self.world.net):
            return None
        row = node.rows[k]
        if 'tombstones' in self.rules and alive(row) and row[0] > 1:
            # the row's former death
            deaths = [e for d, other, e in self.world.ghost if other == k and e[0] == row[0] - 1 and self.version(node) >> d & 1]
            row = max(deaths, default=None)
        elif alive(row) or 'tombstones' not in self.rules:
            row = None
        gone &= ~dots_of(row)
        dots = ((node.lacks[k][0] if node.lacks[k] else 0) | others | self.own(node)) & ~gone
        rows = node.rows[:k] + (row,) + node.rows[k + 1:]
        lacks = node.lacks[:k] + ((dots, 0, True, (node.next, 0)) if 'lacks' in self.rules else None,) + node.lacks[k + 1:]
        log = node.log[:k] + (dots_of(rows[k]),) + node.log[k + 1:]
        lost = tuple(e for e in self.world.ghost if e[1] == k and gone >> e[0] & 1)
        world = self.world._replace(ghost=tuple(e for e in self.world.ghost if e not in lost), gone=tuple(sorted(self.world.gone + lost)))
        return self.put(world, i, node._replace(rows=rows, lacks=lacks, log=log, next=node.next + 1))

    def merge_rows(self, node, incoming, version, lacking=()):
        """Joins rows; None if one is locked by an open transaction."""
        rows, log = list(node.rows), list(node.log)
        locked = {k for _, _, effects in node.txns for k, _ in effects}
        for k, part in incoming:
            if 'filter' in self.rules and k not in lacking:
                part = strip(part, version)
            if part is None:
                continue
            if k in locked:
                return None
            rows[k] = join(rows[k], part, 'ties' in self.rules) if 'join' in self.rules else part
            log[k] |= dots_of(part)
        return node._replace(rows=tuple(rows), log=tuple(log))

    def act(self, before, node, covered):
        """The node after a merge, when the foreign key's action was taken if the parent is dead and the child, which was shown,
        still refers to it."""
        if not self.c.refers:
            return node
        parent, child = node.rows
        shown = alive(before.rows[0]) or before.waits
        refers = alive(child) and child[1] and child[2] and child[2][2] == 'p'
        if not (shown and refers and parent and not alive(parent)):
            return node._replace(waits=False)
        if 'waits' in self.rules and not covered >> parent[1][1] & 1:
            return node._replace(waits=True)
        knew = dict(self.world.knew)[parent[1][1]]
        least = ideal(self.world.ghost, knew, 1)
        if join(child, least) != child:
            raise Violation('%s takes along the child as %s, and who deleted the parent had %s' % ('ABCD'[node.site], child, least))
        dot = node.site * WIDTH + node.next
        seen = max(s[0] for s in child[1:] if s)
        later = max(2 * self.c.clocks[node.site], (seen | 1) + 1)
        if self.c.refers == 'cascade':
            effect = (child[0] + 1, (later, dot, 'a'), ())
        else:
            effect = (child[0], (), (child[2][0] + 1 if 'loses' in self.rules else later, dot, 'a'))
        self.acted.append((dot, 1, effect))
        return node._replace(next=node.next + 1, rows=(parent, join(child, effect)), log=(node.log[0], node.log[1] | 1 << dot), waits=False)

    def refer(self, node, clock, dot, effects, kind, k):
        """What a statement on the parent (key 0) or the child makes of the effects of its transaction, or None."""
        parent, child = (join(node.rows[i], effects.get(i)) for i in (0, 1))
        old = (parent, child)[k]
        if (kind == 'insert') == alive(old) or old and not old[1]:
            return None
        # statements of a transaction have one time, which is even
        time = max([2 * clock] + [(s[0] | 1) + 1 for s in (old or ((0, 0),))[1:] if s and s[1] != dot])
        if k == 0 and kind == 'delete':
            made = {0: (parent[0] + 1, (time, dot), ())}
            if alive(child) and child[2][2] == 'p':
                made[1] = (child[0] + 1, (time, dot, '0'), ()) if self.c.refers == 'cascade' else (child[0], (), (time, dot, '0'))
        elif k == 1 and kind == 'insert' and alive(parent):
            made = {1: ((child[0] if child else 0) + 1, (time, dot, 'p'), (time, dot, 'p'))}
        elif k == 1 and kind != 'insert':
            made = {1: (child[0], (), (time, dot, 'm')) if kind == 'update' else (child[0] + 1, (time, dot, '0'), ())}
        else:
            return None
        return {**effects, **{i: join(effects.get(i), effect) for i, effect in made.items()}}

    def write(self, node, clock, dot, old, kind):
        """The effect of a statement on a row, or None if there is none."""
        if (kind == 'insert') == alive(old) or old and kind != 'insert' and not old[1]:
            return None
        time = max([clock] + [s[0] + 1 for s in (old or (0,))[1:] if s])
        stamp = (time, dot)
        if kind == 'insert':
            life = max(old[0] if old else 0, node.life if 'life' in self.rules else 0)
            return (life + 1 + life % 2, stamp, stamp)
        return (old[0], (), stamp) if kind == 'update' else (old[0] + 1, stamp, ())

    def ended(self, node, i, committed):
        dot, _, effects = node.txns[i]
        rows, log = list(node.rows), list(node.log)
        if committed:
            for k, effect in effects:
                rows[k] = join(rows[k], effect)
                log[k] |= 1 << dot
        foreign = node.foreign
        if dot // WIDTH != node.site and 'prepared' in self.rules and committed:
            foreign |= 1 << dot
        return node._replace(txns=node.txns[:i] + node.txns[i + 1:], rows=tuple(rows), log=tuple(log), foreign=foreign)

    def forget(self, i, node):
        version = self.version(node)
        peers = [node.acks[j] for j in range(self.c.sites)
                 if j != i and not node.away >> j & 1 and node.met >> j & 1 and self.exists(j)]
        if 'acks covered' in self.rules and any(ack & ~version for ack in peers):
            return node
        gone = version
        if 'acks' in self.rules:
            for ack in peers:
                gone &= ack
        rows, life = list(node.rows), node.life
        for k, row in enumerate(rows):
            if row and not alive(row) and row[1] and gone >> row[1][1] & 1:
                rows[k], life = None, max(life, row[0])
        return node._replace(rows=tuple(rows), life=life, log=tuple(m & ~gone for m in node.log), floor=node.floor | gone)

    def with_acts(self, world):
        return tuple(sorted(world.ghost + tuple(self.acted)))

    def exists(self, i):
        return self.world.nodes[i] is not None

    def copied(self, node, site):
        """What a copy of a node makes of itself: another life."""
        if 'new life' not in self.rules:
            return node
        had = node.log[0] | node.floor
        for mask in node.log:
            had |= mask
        old = had if 'committed' in self.rules else ((1 << node.next) - 1) << node.site * WIDTH
        kept = tuple(t for t in node.txns if t[1] == 'prepared')
        foreign = node.foreign | old & SITE << node.site * WIDTH
        return node._replace(site=site, txns=kept, foreign=foreign, acks=(0,) * self.c.sites)

    # ---- what can happen

    def begin_world(self):
        c = self.c
        node = Node(0, 1, (), 0, (None,) * c.keys, (0,) * c.keys, 0, 0, (0,) * c.sites, 0, frozenset(), 0, (1 << c.sites) - 1, (None,) * c.keys)
        left = {**c.left, **{'write %s' % 'ABCD'[i]: n for i, n in enumerate(c.writes)}}
        strangers = c.strangers + (c.heard if 'stream met' not in self.rules else ())
        unmet = [sum(1 << j for k, j in strangers if k == i) for i in range(c.sites)]
        self.world = World(tuple(node._replace(site=i, met=node.met & ~unmet[i]) if i in c.present else None
                                 for i in range(c.sites)), frozenset(), (),
                           tuple(sorted(left.items())), (), (), None, frozenset(), ())
        world = self.world
        for step in c.setup:
            if step[0] == 'forgets':
                world = self.put(world, step[1], self.forget(step[1], world.nodes[step[1]]))
            elif step[0] == 'pulls':
                for delta in self.changes(world.nodes[step[2]], self.version(world.nodes[step[1]]), self.asks(world.nodes[step[1]])):
                    world = self.put(world, step[1], self.merge(world.nodes[step[1]], delta))
            elif step == 'sync':
                world = world._replace(nodes=self.settle(world.nodes))
            elif step == 'ack':
                acks = tuple(self.version(node) if node else 0 for node in world.nodes)
                world = world._replace(nodes=tuple(node and node._replace(acks=acks) for node in world.nodes))
            else:
                i, kind, k = step
                dot = world.nodes[i].site * WIDTH + world.nodes[i].next
                world = self.begin(world, i)
                world = self.statement(world, i, 0, kind, k, dot)
                world = self.commit(world, i, 0)
        return world._replace(safe=world.nodes) if c.crashes or c.clone_of is not None else world

    def put(self, world, i, node, **more):
        nodes = world.nodes
        return world._replace(nodes=nodes[:i] + (node,) + nodes[i + 1:], **more)

    def spend(self, world, *names):
        """Takes from what is left; None if there is none."""
        left = dict(world.left)
        for name in names:
            if left.get(name, 0) < 1:
                return None
            left[name] -= 1
        return world._replace(left=tuple(left.items()))

    def flushed(self, world, i):
        if not self.c.crashes or 'flush' not in self.rules:
            return world
        return world._replace(safe=world.safe[:i] + (world.nodes[i],) + world.safe[i + 1:])

    def begin(self, world, i):
        node = world.nodes[i]
        if node.next == WIDTH:
            raise RuntimeError('WIDTH is too small')
        txn = (node.site * WIDTH + node.next, 'open', ())
        return self.put(world, i, node._replace(next=node.next + 1, txns=node.txns + (txn,)))

    def statement(self, world, i, t, kind, k, dot):
        node = world.nodes[i]
        effects = dict(node.txns[t][2])
        if any(k == other for j, txn in enumerate(node.txns) if j != t for other, _ in txn[2]):
            return None
        if self.c.refers and node.rows[0]:
            effects = self.refer(node, self.c.clocks[i], dot, effects, kind, k)
            if effects is None:
                return None
        else:
            effect = self.write(node, self.c.clocks[i], dot, join(node.rows[k], effects.get(k)), kind)
            if effect is None:
                return None
            effects[k] = join(effects.get(k), effect)
        txn = (dot, 'open', tuple(sorted(effects.items())))
        return self.put(world, i, node._replace(txns=node.txns[:t] + (txn,) + node.txns[t + 1:]))

    def commit(self, world, i, t):
        """Makes it visible; unless it was recorded before, it becomes a fact now."""
        node = world.nodes[i]
        dot, status, _ = node.txns[t]
        if status != 'recorded':
            world = self.record(world, node.txns[t])
        world = self.put(world, i, self.ended(node, t, True))
        return self.flushed(world, i) if status == 'prepared' else world

    def record(self, world, txn):
        dot, _, effects = txn
        new = tuple((dot, k, effect) for k, effect in effects)
        if self.c.refers and any(k == 0 and not alive(effect) for k, effect in effects):
            node = world.nodes[dot // WIDTH]
            world = world._replace(knew=world.knew + ((dot, self.version(node) | 1 << dot),))
        old = tuple(entry for entry in world.ghost if entry[0] == dot)
        if old and old != new:
            raise Violation('dot %s is used twice' % show(1 << dot))
        return world._replace(ghost=tuple(sorted(set(world.ghost + new))))

    def successors(self, world):
        """All that can happen next: (what, world)."""
        c = self.c
        self.world = world
        for i, node in enumerate(world.nodes):
            name = 'ABCD'[i]
            spent = self.spend(world, 'start over')
            if spent and i == c.starts_over:
                blank = Node(5, 1, (), 0, (None,) * c.keys, (0,) * c.keys, 0, 0, (0,) * c.sites, 0, frozenset(), 0,
                             (1 << c.sites) - 1, (None,) * c.keys)
                nodes = tuple(n and n._replace(away=n.away & ~(1 << i), acks=n.acks[:i] + (0,) + n.acks[i + 1:])
                              for n in world.nodes)
                yield (name, 'starts over'), self.put(spent._replace(nodes=nodes), i, blank)
            if node is None:
                continue
            # transactions
            spent = self.spend(world, 'write ' + name)
            if spent and len(node.txns) < c.open_txns:
                begun = self.begin(spent, i)
                if c.begins:
                    yield (name, 'begins', node.next), begun
                else:
                    dot = node.site * WIDTH + node.next
                    for k in range(c.keys):
                        for kind in c.kinds[i]:
                            after = self.statement(begun, i, len(node.txns), kind, k, dot)
                            if after and c.at_once:
                                yield (name, node.next, kind, 'key', k, 'commits'), self.commit(after, i, len(node.txns))
                            elif after:
                                yield (name, 'begins', node.next, kind, 'key', k), after
            for t, (dot, status, effects) in enumerate(node.txns):
                n = dot % WIDTH
                if status == 'open' and len(effects) < c.statements:
                    for k in range(c.keys):
                        for kind in c.kinds[i]:
                            after = self.statement(world, i, t, kind, k, dot)
                            if after and (k not in dict(effects)):
                                yield (name, n, kind, 'key', k), after
                can = {True, False}
                decided = world.decided
                if status == 'prepared' and 'decided' in self.rules:
                    can = {to for d, to in decided if d == dot} or can
                if (status == 'open' and c.aborts or status == 'prepared') and False in can:
                    told = decided | {(dot, False)} if status == 'prepared' and c.clone_of is not None else decided
                    yield (name, n, 'aborts'), self.put(world, i, self.ended(node, t, False), decided=told)
                if status == 'open' and effects and c.prepares:
                    txns = node.txns[:t] + ((dot, 'prepared', effects),) + node.txns[t + 1:]
                    yield (name, n, 'prepares'), self.flushed(self.put(world, i, node._replace(txns=txns)), i)
                if status == 'open' and i == c.stream_from:
                    # the row of the stream and the commit record: not yet seen by others' snapshots
                    txn = (dot, 'recorded', effects)
                    record = (dot, effects, self.own(node), ((1 << node.next) - 1) << node.site * WIDTH, node.foreign)
                    yield (name, n, 'writes its commit record'), self.put(
                        self.record(world, txn), i, node._replace(txns=node.txns[:t] + (txn,) + node.txns[t + 1:]),
                        wal=world.wal + (record,))
                elif (effects or status != 'open') and True in can:
                    told = decided | {(dot, True)} if status == 'prepared' and c.clone_of is not None else decided
                    yield (name, n, 'commits' if status != 'recorded' else 'leaves snapshots'), self.commit(
                        world._replace(decided=told), i, t)
            # changes, of which the version of a receiver is the start
            spent = self.spend(world, 'pull')
            if spent:
                for j, peer in enumerate(world.nodes):
                    if peer and i != j and (j, i) in c.pulls:
                        after = self.flushed(self.flushed(spent, i), j)
                        for since in {self.version(peer), 0} if c.from_nothing else {self.version(peer)}:
                            asks = self.asks(peer) if since else ()
                            parts = frozenset(d for d in self.changes(node, since, asks) if d.to & ~d.base or asks) - world.net
                            if parts:
                                yield (name, 'tells', 'ABCD'[j], 'since', since), after._replace(net=world.net | parts)
            # merges
            for delta in world.net:
                if not delta.to & ~self.version(node) and 'filter' in self.rules and not any(node.lacks[k] for k, _ in delta.whole):
                    continue
                self.acted = []
                after = self.merge(node, delta)
                if not isinstance(after, str) and after != node:
                    yield (name, 'merges', delta), self.without_old(self.put(world, i, after, ghost=self.with_acts(world)))
            spent = self.spend(world, 'make again')
            if spent and i in c.makes_again:
                for k in range(c.keys):
                    self.world = spent
                    after = self.make_again(i, node, k)
                    self.world = world
                    if after:
                        yield (name, 'makes table', k, 'again'), after
            # acknowledging and forgetting
            if i in c.forgets:
                for j, peer in enumerate(world.nodes):
                    if peer and j != i and not node.away >> j & 1 and node.met >> j & 1 and \
                            node.acks[j] != node.acks[j] | self.version(peer):
                        acks = node.acks[:j] + (node.acks[j] | self.version(peer),) + node.acks[j + 1:]
                        yield ('ABCD'[j], 'acknowledges to', name), self.put(
                            self.flushed(world, j), i, node._replace(acks=acks))
                    spent = self.spend(world, 'retire')
                    if spent and peer and j != i and not node.away >> j & 1:
                        yield (name, 'retires', 'ABCD'[j]), self.put(spent, i, node._replace(away=node.away | 1 << j))
                after = self.forget(i, node)
                if after.rows != node.rows:
                    yield (name, 'forgets'), self.put(world, i, after)
            # crash, copy, restore, start over
            if c.crashes:
                if world.safe[i] != node:
                    yield (name, 'writes WAL'), world._replace(safe=world.safe[:i] + (node,) + world.safe[i + 1:])
                spent = self.spend(world, 'crash')
                if spent:
                    yield (name, 'crashes'), self.crash(spent, i)
            for what in ('clone', 'backup', 'restore'):
                spent = self.spend(world, what)
                free = [j for j, other in enumerate(world.nodes) if other is None]
                if spent and what == 'clone' and free and i == c.clone_of:
                    yield (name, 'is copied to', 'ABCD'[free[0]]), self.put(spent, free[0], self.copied(node, 4))
                elif spent and what == 'restore' and i == c.clone_of and node.site == i:
                    yield (name, 'is restored'), self.put(spent, i, self.copied(world.safe[i], 4))
                elif spent and what == 'backup' and i == c.clone_of and world.safe[i] != node:
                    yield (name, 'is backed up'), spent._replace(safe=world.safe[:i] + (node,) + world.safe[i + 1:])
        # the stream
        if c.stream_from is not None:
            if world.sub is None:
                wanted = -1 if 'whole' in self.rules else 0
                yield ('the stream starts',), world._replace(sub=(len(world.wal), wanted))
            elif world.sub[0] < len(world.wal):
                after = self.stream(world)
                if after:
                    yield ('the stream brings', world.wal[world.sub[0]][0] % WIDTH), after

    def without_old(self, world):
        """Drops deltas that can do nothing to anybody any more, unless somebody may lose what he has."""
        if self.c.crashes or self.c.clone_of is not None or self.c.starts_over is not None or 'filter' not in self.rules:
            return world
        if self.c.makes_again:
            return world
        common = -1
        for node in world.nodes:
            common &= self.version(node) if node else -1
        return world._replace(net=frozenset(d for d in world.net if d.to & ~common))

    def crash(self, world, i):
        safe = world.safe[i]
        used = [n for n in range(safe.next) if not any(dot % WIDTH == n and not effects for dot, _, effects in safe.txns)]
        node = safe._replace(next=max(used) + 1, txns=tuple(t for t in safe.txns if t[1] == 'prepared'))
        kept = self.own(safe)
        ghost = tuple(e for e in world.ghost if e[0] // WIDTH != safe.site or kept >> e[0] & 1)
        return self.put(world, i, node, ghost=ghost, safe=world.safe[:i] + (node,) + world.safe[i + 1:])

    def stream(self, world):
        """The subscriber takes the next row; "wanted" is what must be covered for the stream to be whole: 0 when it is, -1
        before its first row."""
        position, wanted = world.sub
        dot, effects, snapshot, numbers, known = world.wal[position]
        i = self.c.stream_to
        node = world.nodes[i]
        version = self.version(node)
        known |= snapshot | 1 << dot
        if 'stream late' in self.rules and node.floor & ~known and not version >> dot & 1:
            return world._replace(sub=(position + 1, numbers))
        after = self.merge_rows(node, effects, version)
        if after is None:
            return None
        if wanted == -1:
            wanted = numbers if 'next' in self.rules else 1 << dot
        here, knew = version | 1 << dot, known & ~(SITE << node.site * WIDTH)
        self.acted = []
        after = self.act(node, after, version if knew & ~here else here | knew)
        claims = 1 << dot | (snapshot if wanted == 0 else 0)
        if after.waits and 'claims less' in self.rules:
            claims &= ~(1 << after.rows[0][1][1])
        after = after._replace(foreign=node.foreign | claims)
        if not claims >> dot & 1:
            after = after._replace(pending=after.pending | 1 << dot)
        if 'stream met' in self.rules:
            j = self.c.stream_from
            said = node.acks[j] | (known if not known & ~self.version(after) else 0)
            after = after._replace(met=node.met | 1 << j, acks=node.acks[:j] + (said,) + node.acks[j + 1:])
        return self.put(world, i, after, sub=(position + 1, wanted), ghost=self.with_acts(world))

    def filled(self, what, after):
        """Whether a merge or the stream made the stream whole."""
        if after.sub is None or after.sub[1] <= 0 or not self.exists(self.c.stream_to):
            return after
        node = after.nodes[self.c.stream_to]
        if 'next' not in self.rules:
            covered = what[2].to if what[:2] == ('ABCD'[self.c.stream_to], 'merges') else 0
        else:
            covered = self.version(node)
        if after.sub[1] & ~covered == 0:
            return after._replace(sub=(after.sub[0], 0))
        return after

    # ---- what must hold

    def check(self, world):
        for i, node in enumerate(world.nodes):
            if node is None:
                continue
            version = self.version(node)
            for k in range(self.c.keys):
                lacked = node.lacks[k][0] if node.lacks[k] else 0
                row, least = node.rows[k], ideal(world.ghost, version & ~lacked, k)
                most = ideal(world.ghost + world.gone, version | node.pending, k)
                forgotten = row is None and least and not alive(least) and node.floor >> least[1][1] & 1
                if not forgotten and join(row, least) != row:
                    raise Violation('%s covers %s, but of key %d has %s and not %s' % ('ABCD'[i], show(version), k, row, least))
                if join(row, most) != most and not forgotten:
                    raise Violation('%s covers %s, but of key %d has %s and not just %s' % (
                        'ABCD'[i], show(version), k, row, most))
                if dots_of(row) & ~(node.log[k] | node.floor):
                    raise Violation('%s lacks the log of key %d' % ('ABCD'[i], k))
        if not any(n and n.txns for n in world.nodes) and (world.nodes, world.ghost) not in self.settled:
            self.settled.add((world.nodes, world.ghost))
            self.world = world
            nodes = [n for n in self.settle(world.nodes) if n]
            if nodes and (self.c.all_in or not self.refused):
                committed = sum({1 << dot for dot, _, _ in world.ghost})
                known = 0
                for node in world.nodes:
                    known |= self.version(node) if node else 0
                committed &= known      # what a crash or a restore took from all is gone
                for node in nodes:
                    if self.version(node) != self.version(nodes[0]) or committed & ~self.version(node):
                        raise Violation('all pulled, and yet versions are %s' % ' '.join(show(self.version(n)) for n in nodes))
                    if [r for r in node.rows if alive(r)] != [r for r in nodes[0].rows if alive(r)]:
                        raise Violation('all pulled, and yet rows are %s' % ' '.join(str(n.rows) for n in nodes))
                    if any(node.lacks):
                        raise Violation('all pulled, and yet a table lacks %s' % show(next(filter(None, node.lacks))[0]))
                if self.c.refers:
                    self.check_intent(world, nodes[0])

    def check_intent(self, world, node):
        """What users did to the child is what it is at rest, but for actions that were taken on a child that was new to who deleted
        the parent."""
        meant = None
        for dot, k, effect in world.ghost:
            if k == 1 and not any(s and s[-1] == 'a' for s in effect[1:]):
                meant = join(meant, effect)
        parent, child = node.rows
        if alive(child) and child[2][2] == 'p' and not alive(parent):
            raise Violation('all pulled, and yet the child refers to nothing')
        acted = self.acted or any(s and s[-1] == 'a' for _, _, effect in world.ghost for s in effect[1:])
        if alive(meant) and meant[2][2] == 'm' and child != meant and not (acted and self.c.refers == 'cascade'):
            raise Violation('the child was moved, and yet it is %s' % (child,))

    def settle(self, nodes):
        """All pull from all, until nothing changes."""
        nodes, before, self.refused = list(nodes), None, False
        self.acted = []
        while nodes != before:
            before = list(nodes)
            for i, node in enumerate(nodes):
                for j in range(len(nodes)):
                    if i != j and node and nodes[j] and ((j, i) in self.c.pulls or not self.c.along):
                        for delta in self.changes(node, self.version(nodes[j]), self.asks(nodes[j])):
                            after = self.merge(nodes[j], delta)
                            if isinstance(after, str):
                                self.refused = True
                            else:
                                nodes[j] = after
        return tuple(nodes)

    def explore(self, limit=None):
        """Returns (states, None), or (states, history) when something was violated."""
        parents, queue, world = {}, [], None
        try:
            what, checking = ('at the start',), True
            world = self.begin_world()
            parents[world] = None
            self.check(world)
            checking = False
            queue.append(world)
            while queue:
                level, queue = queue, []
                for world in level:
                    for what, after in self.successors(world):
                        after = self.filled(what, after)
                        if after not in parents:
                            parents[after] = (world, what)
                            checking = True
                            self.check(after)
                            checking = False
                            queue.append(after)
                            if limit and len(parents) >= limit:
                                return len(parents), None
        except Violation as violation:
            steps = [self.told(what)] * checking + ['=> %s' % violation]
            while world and parents[world]:
                world, what = parents[world]
                steps.insert(0, self.told(what))
            return len(parents), steps
        return len(parents), None

    def told(self, what):
        words = []
        for word in what:
            if isinstance(word, Delta):
                word = 'base %s to %s rows %s' % (show(word.base), show(word.to), word.rows)
            elif isinstance(word, int) and word > 99:
                word = show(word)
            words.append(str(word))
        return ' '.join(words)


ALL, GROW, NEW = ('insert', 'update', 'delete'), ('insert', 'update'), ('insert',)
UPDATE, DELETE, NONE = ('update',), ('delete',), ()
DEFAULTS = dict(
    sites=3, present=(0, 1, 2), keys=1, clocks=(5, 5, 1, 5), setup=(), without=(),
    writes=(0, 0, 0), kinds=(ALL, ALL, ALL),  # of each site: how many transactions, with what
    left={}, pulls=((0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)),  # how often what; who pulls, from whom
    open_txns=1, statements=1, at_once=False, begins=False, aborts=False, prepares=False, parts=False, crashes=False,
    refers=None, forgets=(), from_nothing=False, stream_from=None, stream_to=None, clone_of=None, starts_over=None,
    strangers=(), heard=(), all_in=False,  # who has not heard of whom, and by the stream alone; whether nobody may be refused
    makes_again=(), along=False,  # of whom; whether all pull only along "pulls" in the end
)
ROW = ((0, 'insert', 0), 'sync')
TWO_ROWS = ((0, 'insert', 0), (1, 'insert', 1), 'sync')
GONE = ROW + ((0, 'delete', 0), 'sync', 'ack', ('forgets', 0))
TWO = dict(sites=2, present=(0, 1), pulls=((0, 1), (1, 0)))
KNOWS = ('sender knows', 'receiver knows')
LINE = ((0, 1), (1, 0), (1, 2), (2, 1))

# "deep" is what a deep run has instead.
SCENARIOS = {
    'late commits': dict(
        TWO, keys=2, writes=(2, 1), kinds=(GROW, NEW), open_txns=2, aborts=True, prepares=True, left={'pull': 2},
        deep=dict(left={'pull': 4})),
    'long transactions': dict(
        TWO, keys=2, writes=(1, 1), kinds=(GROW, GROW), statements=2, aborts=True, left={'pull': 3},
        deep=dict(left={'pull': 4})),
    'three sites': dict(
        setup=ROW, writes=(1, 1, 1), left={'pull': 2}, from_nothing=True,
        deep=dict(left={'pull': 4})),
    'relay': dict(
        writes=(2, 1, 0), at_once=True, left={'pull': 3}, pulls=((1, 0), (2, 1), (2, 0)),
        deep=dict(writes=(2, 2, 0), left={'pull': 4})),
    'parts': dict(
        keys=2, setup=TWO_ROWS, writes=(2, 1, 0), kinds=(('update', 'delete'), UPDATE, NONE), parts=True,
        left={'pull': 2}, pulls=((1, 0), (2, 1)),
        deep=dict(left={'pull': 3}, pulls=((1, 0), (2, 1), (2, 0)))),
    'parts, crossing': dict(
        keys=2, setup=TWO_ROWS + ((0, 'update', 0), (0, 'update', 1)), writes=(0, 1, 0), kinds=(NONE, UPDATE, NONE),
        at_once=True, parts=True, left={'pull': 3}, pulls=((1, 0), (2, 1)),
        deep=dict(writes=(1, 1, 0), kinds=(UPDATE, UPDATE, NONE), left={'pull': 4}, pulls=((1, 0), (2, 1), (0, 1)))),
    'parts, relayed': dict(
        sites=4, present=(0, 1, 2, 3), keys=2, setup=TWO_ROWS + ((0, 'update', 0), ('pulls', 1, 0)), writes=(2, 0, 0, 0),
        kinds=(UPDATE, NONE, NONE, NONE), at_once=True, parts=True, left={'pull': 3}, pulls=((1, 0), (2, 1), (3, 2)),
        deep=dict(writes=(3, 0, 0, 0), left={'pull': 4})),
    # forgetting by acknowledgements alone: all sites are active, and all know all
    'forgetting': dict(
        TWO, writes=(2, 1), kinds=(('insert', 'delete'), NEW), at_once=True, forgets=(0, 1), left={'pull': 3}, without=KNOWS,
        deep=dict(writes=(3, 1), kinds=(ALL, ALL), left={'pull': 4})),
    'forgetting, three sites': dict(
        setup=ROW, writes=(2, 1, 0), kinds=(('delete', 'insert'), UPDATE, NONE), at_once=True, forgets=(0,), left={'pull': 2},
        without=KNOWS, from_nothing=True,
        deep=dict(forgets=(0, 1), left={'pull': 3})),
    # sites that nobody waits for
    'retired': dict(
        setup=ROW, writes=(1, 0, 1), kinds=(DELETE, NONE, UPDATE), at_once=True, forgets=(0,), left={'pull': 2, 'retire': 1},
        pulls=((0, 2), (2, 0), (0, 1), (1, 0), (1, 2)), from_nothing=True,
        deep=dict(kinds=(ALL, ALL, ALL), left={'pull': 3, 'retire': 2})),
    'joining': dict(
        present=(0, 1), setup=GONE, writes=(0, 0, 1), kinds=(NONE, NONE, NEW), at_once=True, starts_over=2,
        left={'pull': 4, 'start over': 1},
        deep=dict(writes=(0, 1, 1), kinds=(ALL, ALL, ALL))),
    'starting over': dict(
        setup=ROW, writes=(1, 1, 0), kinds=(DELETE, UPDATE, NONE), at_once=True, forgets=(0,), starts_over=2,
        left={'pull': 2, 'retire': 2, 'start over': 1}, pulls=((2, 0), (1, 2)),
        deep=dict(kinds=(ALL, ALL, ALL))),
    'crash': dict(
        TWO, keys=2, writes=(2, 0), kinds=(NEW, NEW), open_txns=2, begins=True, prepares=True, crashes=True,
        left={'pull': 2, 'crash': 1},
        deep=dict(writes=(2, 1), left={'pull': 3, 'crash': 2})),
    'stream': dict(
        TWO, keys=2, writes=(3, 0), kinds=(GROW, NONE), open_txns=2, stream_from=0, stream_to=1, left={'pull': 1},
        deep=dict(left={'pull': 2})),
    'stream, forgetting': dict(
        TWO, setup=ROW, writes=(2, 1), kinds=(UPDATE, ('delete', 'insert')), stream_from=0, stream_to=1, forgets=(0, 1),
        left={'pull': 2}, without=('stream late',),
        deep=dict(writes=(2, 2), kinds=(ALL, ALL))),
    # a third site knows what was deleted, and who streams is not known, or by his stream alone
    'stream, heard': dict(
        setup=ROW, writes=(1, 1, 0), kinds=(UPDATE, DELETE, NONE), stream_from=0, stream_to=1, forgets=(1, 2),
        heard=((1, 0),), strangers=((2, 0),), all_in=True, left={'pull': 2}, pulls=((0, 1), (2, 1)),
        deep=dict(writes=(2, 1, 0), left={'pull': 3}, pulls=((0, 1), (2, 1), (1, 2)))),
    'stream, stranger': dict(
        setup=ROW, writes=(1, 1, 0), kinds=(UPDATE, DELETE, NONE), stream_from=0, stream_to=1, forgets=(1,),
        strangers=((1, 0),), left={'pull': 2}, pulls=((0, 1), (2, 1)),
        deep=dict(writes=(2, 1, 0), kinds=(ALL, DELETE, NONE), left={'pull': 3}, pulls=((0, 1), (2, 1), (1, 2)))),
    'clone': dict(
        present=(0, 1), keys=2, writes=(1, 0, 1), kinds=(NEW, NONE, NEW), open_txns=2, prepares=True, clone_of=0,
        left={'pull': 2, 'clone': 1}, pulls=((1, 0), (2, 0), (1, 2)),
        deep=dict(writes=(2, 0, 1), left={'pull': 3, 'clone': 1})),
    'restore': dict(
        TWO, setup=ROW, writes=(2, 0), kinds=(UPDATE, UPDATE), prepares=True, clone_of=0,
        left={'pull': 2, 'backup': 1, 'restore': 1},
        deep=dict(writes=(2, 1), kinds=(ALL, ALL), left={'pull': 3, 'backup': 1, 'restore': 1})),
    'restore, forgetting': dict(
        TWO, setup=ROW, writes=(1, 1), kinds=(GROW, DELETE), at_once=True, forgets=(0, 1), clone_of=0,
        left={'pull': 2, 'restore': 1},
        deep=dict(writes=(2, 1), kinds=(ALL, ALL), left={'pull': 3, 'restore': 1})),
    # a table that is dropped and made again, by one or by two that both are to be told of it
    'made again': dict(
        TWO, setup=ROW, writes=(1, 1), kinds=(ALL, ALL), at_once=True, makes_again=(0, 1), left={'pull': 2, 'make again': 2},
        deep=dict(writes=(2, 1), left={'pull': 3, 'make again': 2})),
    'made again in the middle': dict(
        setup=ROW, writes=(1, 0, 1), kinds=(UPDATE, NONE, DELETE), at_once=True, pulls=LINE, along=True, makes_again=(1,),
        left={'pull': 3, 'make again': 1},
        deep=dict(writes=(1, 1, 1), kinds=(ALL, ALL, ALL), left={'pull': 4, 'make again': 1})),
    'made again, three sites': dict(
        setup=((0, 'insert', 0), ('pulls', 1, 0)), writes=(0, 0, 1), kinds=(NONE, NONE, UPDATE), at_once=True, makes_again=(0, 1),
        left={'pull': 2, 'make again': 1}, from_nothing=True,
        deep=dict(writes=(1, 0, 1), kinds=(UPDATE, NONE, UPDATE), left={'pull': 3, 'make again': 2})),
    'made again, forgetting': dict(
        setup=ROW, writes=(1, 1, 0), kinds=(DELETE, NEW, NONE), at_once=True, forgets=(0,), makes_again=(1,),
        left={'pull': 2, 'make again': 1}, pulls=((1, 0), (0, 1), (1, 2), (2, 0)),
        deep=dict(kinds=(ALL, ALL, NONE), left={'pull': 3, 'make again': 1})),
}

for _refers in ('cascade', 'set null'):
    _family = dict(refers=_refers, keys=2, at_once=True)
    SCENARIOS.update({
        _refers: dict(
            _family, setup=((0, 'insert', 0), (0, 'insert', 1), 'sync'), writes=(2, 1, 1), kinds=(('delete',), ('update',), ('update',)),
            left={'pull': 3}, deep=dict(writes=(2, 1, 1), kinds=(ALL, ALL, ALL), left={'pull': 4})),
        _refers + ', the child is new': dict(
            _family, setup=((0, 'insert', 0), 'sync'), writes=(1, 1, 1), kinds=(UPDATE, NEW, DELETE),
            left={'pull': 3}, deep=dict(writes=(1, 2, 1), left={'pull': 4})),
        _refers + ', parts': dict(
            _family, setup=((0, 'insert', 0), (0, 'insert', 1), 'sync'), writes=(2, 1, 0), kinds=(('update', 'delete'), ('update', 'delete'), NONE),
            parts=True, left={'pull': 2}, pulls=((1, 0), (2, 1)),
            deep=dict(left={'pull': 3}, pulls=((1, 0), (2, 1), (2, 0), (0, 1)))),
        _refers + ', stream': dict(
            {**_family, 'at_once': False}, setup=((0, 'insert', 0), (0, 'insert', 1), 'sync'), writes=(1, 0, 1, 0), kinds=(DELETE, NONE, UPDATE, NONE),
            sites=4, present=(0, 1, 2, 3), stream_from=0, stream_to=1, left={'pull': 3}, pulls=((0, 2), (3, 1), (1, 0)),
            deep=dict(writes=(2, 0, 1, 0), kinds=(('update', 'delete'), NONE, UPDATE, NONE))),
    })

DEEP_LIMIT = 200000  # states of one scenario

CONTROLS = [
    ('late commits', 'holes'), ('long transactions', 'own hole'), ('three sites', 'ties'), ('three sites', 'join'),
    ('relay', 'gap'), ('parts', 'together'), ('parts', 'all'), ('parts, relayed', 'beyond'), ('parts, crossing', 'base'),
    ('forgetting', 'filter'), ('forgetting', 'acks'), ('forgetting', 'acks covered'),
    ('forgetting, three sites', 'life'), ('joining', 'life told'), ('joining', 'sender knows'),
    ('retired', 'receiver knows'), ('retired', 'sender knows'), ('starting over', 'floor told'),
    ('crash', 'flush'), ('stream', 'whole'), ('stream', 'next'), ('stream', 'in progress'),
    ('stream, heard', 'stream met'), ('stream, stranger', 'stream late'),
    ('stream, forgetting', 'acks'), ('stream, forgetting', 'acks covered'),
    ('clone', 'committed'), ('clone', 'new life'), ('clone', 'prepared'), ('clone', 'decided'), ('restore', 'new life'),
    ('cascade, parts', 'waits'), ('cascade, stream', 'waits'), ('cascade, stream', 'claims less'),
    ('set null, the child is new', 'loses'),
    ('restore, forgetting', 'receiver knows'), ('restore, forgetting', 'sender knows'),
    ('made again', 'lacks'), ('made again', 'asks'), ('made again', 'builds on'), ('made again in the middle', 'all heard'), ('made again in the middle', 'lacks told'),
    ('made again in the middle', 'made again'), ('made again', 'answers'), ('made again, forgetting', 'tombstones'),
]


def run(job):
    name, without, deep = job
    scenario = dict(SCENARIOS[name])
    more = scenario.pop('deep')
    return Model({**scenario, **more} if deep else scenario, without).explore(DEEP_LIMIT)


def main():
    deep = 'deep' in sys.argv[1:]
    names = [name for name in sys.argv[1:] if name != 'deep']
    jobs = [(name, None, deep) for name in SCENARIOS] + [(name, rule, False) for name, rule in CONTROLS]
    jobs = [job for job in jobs if not names or job[0] in names]
    good = True
    with multiprocessing.Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        for number, (job, (states, history)) in enumerate(zip(jobs, pool.imap(run, jobs)), 1):
            name, without, _ = job
            ok = (history is None) == (without is None)
            good = good and ok
            what = '%s, without the rule that %s: caught' % (name, RULES[without]) if without else name
            whole = ', all there are' if states < DEEP_LIMIT else ', no more were tried'
            print('%sok %d - %s after %d states%s' % (
                '' if ok else 'not ', number, what, states, '' if without else whole), flush=True)
            if history and not (ok and not names):
                print(*('#   ' + step for step in history), sep='\n', flush=True)
    print('1..%d' % len(jobs))
    sys.exit(not good)


if __name__ == '__main__':
    main()
