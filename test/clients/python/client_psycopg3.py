"""client_psycopg3.py: psycopg 3, with adapters in text and binary; COPY in both."""
import psycopg
from psycopg import sql
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.rows import dict_row
from psycopg.types import TypeInfo

from conform import QUERY, ROWS, conform, equal
from vectors import TYPES, HalfVector, SparseVector, Vector


def register(connection):
    for cls in TYPES:
        info = TypeInfo.fetch(connection, cls.name)
        info.register(connection)

        class Text(Dumper):
            oid = info.oid

            def dump(self, obj):
                return obj.to_text().encode()

        class Binary(Text):
            format = Format.BINARY

            def dump(self, obj):
                return obj.to_binary()

        class FromText(Loader):
            value = cls

            def load(self, data):
                return self.value.from_text(bytes(data).decode())

        class FromBinary(FromText):
            format = Format.BINARY

            def load(self, data):
                return self.value.from_binary(bytes(data))

        # what is registered last is preferred where either form will do
        for dumper in Binary, Text:
            connection.adapters.register_dumper(cls, dumper)
        for loader in FromText, FromBinary:
            connection.adapters.register_loader(info.oid, loader)


class Client:
    def __init__(self):
        self.connection = psycopg.connect(autocommit=True)
        self.binary = False
        self.more = [
            ('the same in binary', self.in_binary),
            ('prepared statements', self.prepared),
            ('arrays', self.arrays),
            ('COPY as text, in and out', lambda: self.copies('TEXT')),
            ('COPY in binary, in and out', lambda: self.copies('BINARY')),
            ('a server-side cursor', self.server_cursor),
            ('a pipeline', self.pipeline),
        ]

    def query(self, query, values=None, row_factory=None):
        with self.connection.cursor(binary=self.binary, row_factory=row_factory) if row_factory else self.connection.cursor(binary=self.binary) as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def sql(self, text):
        return self.query(text)

    def create_extension(self, name):
        self.query(sql.SQL('CREATE EXTENSION IF NOT EXISTS {}').format(sql.Identifier(name)))
        register(self.connection)

    def create_table(self):
        self.query('CREATE TABLE items (id bigserial PRIMARY KEY, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))')

    def insert(self, rows):
        with self.connection.cursor() as cursor:
            cursor.executemany('INSERT INTO items VALUES (%(id)s, %(embedding)s, %(half)s, %(bits)s, %(sparse)s)', rows)

    def update(self, id, changes):
        assigned = sql.SQL(', ').join(sql.SQL('{} = {}').format(sql.Identifier(column), sql.Placeholder(column)) for column in changes)
        self.query(sql.SQL('UPDATE items SET {} WHERE id = %(id)s').format(assigned), {**changes, 'id': id})

    def remove(self, id):
        self.query('DELETE FROM items WHERE id = %s', [id])

    def all(self):
        return self.query('SELECT * FROM items ORDER BY id', row_factory=dict_row)

    def create_index(self, name, column, opclass, method):
        self.query(f'CREATE INDEX {name} ON items USING {method} ({column} {opclass})' + (' WITH (lists = 100)' if method == 'ivfflat' else ' WITH (m = 16, ef_construction = 64)'))

    # the types are declared by the dumpers; text for bits is of unknown type
    def nearest(self, column, operator, value):
        operator = operator.replace('%', '%%')
        return [id for id, in self.query(f'SELECT id FROM items WHERE {column} IS NOT NULL ORDER BY {column} {operator} %s LIMIT 4', [value])]

    def within(self, column, operator, value, bound):
        operator = operator.replace('%', '%%')
        return [id for id, in self.query(f'SELECT id FROM items WHERE id <> 1 AND {column} {operator} %(value)s < %(bound)s ORDER BY {column} {operator} %(value)s LIMIT 4', {'value': value, 'bound': bound})]

    def sqlstate(self, error):
        return error.sqlstate

    def in_binary(self):
        self.binary = True
        try:
            # psycopg has no binary form of bits
            equal([{**one, 'bits': None} for one in self.all()], [{**one, 'bits': None} for one in ROWS])
            for value in Vector([1.5, -2, 2 ** -20]), HalfVector([1.5, -2, 2 ** -24]), SparseVector(5, {0: 1.5, 4: -2}), SparseVector(3, {}):
                got, text = self.query('SELECT %(v)b, (%(v)b)::text', {'v': value})[0]
                read = type(value).from_text(text)
                equal((got, type(value).from_binary(read.to_binary())), (value, value))
            for operator, order in ('<->', [1, 3, 4, 2]), ('<#>', [2, 3, 1, 4]):
                equal([id for id, in self.query(f'SELECT id FROM items ORDER BY embedding {operator} %b LIMIT 4', [QUERY['embedding']])], order)
        finally:
            self.binary = False

    def prepared(self):
        for i in range(8):
            value = Vector([1, 1, 1 + i / 4])
            got = self.connection.execute('SELECT id FROM items ORDER BY embedding <=> %s LIMIT 4', [value], prepare=True).fetchall()
            equal(got, self.query(f"SELECT id FROM items ORDER BY embedding <=> '{value.to_text()}' LIMIT 4"))

    def arrays(self):
        values = [Vector([1, 2]), Vector([3])]
        for mark in '%s', '%b', '%t':
            for binary in False, True:
                with self.connection.cursor(binary=binary) as cursor:
                    equal(cursor.execute(f'SELECT {mark}::vector[]', [values]).fetchone()[0], values)
                    equal(cursor.execute(f'SELECT {mark}::halfvec[]', [[HalfVector([1, 2]), None]]).fetchone()[0], [HalfVector([1, 2]), None])

    def copies(self, format):
        columns = '(id, embedding, half, sparse)'
        types = ['int8', 'vector', 'halfvec', 'sparsevec']
        rows = [(one['id'], one['embedding'], one['half'], one['sparse']) for one in ROWS]
        self.query('CREATE TABLE copied (LIKE items)')
        with self.connection.cursor() as cursor:
            with cursor.copy(f'COPY copied {columns} FROM STDIN WITH (FORMAT {format})') as copy:
                copy.set_types(types)
                for one in rows:
                    copy.write_row(one)
            equal(cursor.execute('SELECT id, embedding, half, sparse FROM copied ORDER BY id').fetchall(), rows)
            # all at once: the pure Python rows() lets go of memory that loaders still read
            with cursor.copy(f'COPY copied {columns} TO STDOUT WITH (FORMAT {format})') as copy:
                data = b''.join(bytes(block) for block in copy)
            cursor.execute('TRUNCATE copied')
            with cursor.copy(f'COPY copied {columns} FROM STDIN WITH (FORMAT {format})') as copy:
                copy.write(data)
            equal(cursor.execute('SELECT id, embedding, half, sparse FROM copied ORDER BY id').fetchall(), rows)
        self.query('DROP TABLE copied')

    def server_cursor(self):
        with self.connection.transaction():
            with self.connection.cursor(name='near', binary=True) as cursor:
                cursor.itersize = 1
                cursor.execute('SELECT id, embedding FROM items ORDER BY embedding <-> %s LIMIT 4', [QUERY['embedding']])
                equal([(id, embedding) for id, embedding in cursor], [(id, ROWS[id - 1]['embedding']) for id in (1, 3, 4, 2)])

    def pipeline(self):
        with self.connection.pipeline():
            found = [self.connection.execute('SELECT id FROM items ORDER BY sparse <-> %s LIMIT 1', [ROWS[i]['sparse']]) for i in range(4)]
            equal([cursor.fetchone()[0] for cursor in found], [1, 2, 3, 4])


conform(Client())
