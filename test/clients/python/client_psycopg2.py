"""client_psycopg2.py: psycopg2, with adapters as text; COPY as text and in binary."""
import io

import psycopg2
import psycopg2.extensions
from psycopg2.extras import RealDictCursor, execute_values

from conform import ROWS, conform, equal
from vectors import TYPES, Vector


class Adapter:
    def __init__(self, value):
        self.value = value

    def getquoted(self):
        return psycopg2.extensions.QuotedString(self.value.to_text()).getquoted()


def register(connection):
    for cls in TYPES:
        with connection.cursor() as cursor:
            cursor.execute('SELECT to_regtype(%s)::oid, to_regtype(%s)::oid', [cls.name, cls.name + '[]'])
            oid, array = cursor.fetchone()
        one = psycopg2.extensions.new_type((oid,), cls.name, lambda text, cursor, cls=cls: None if text is None else cls.from_text(text))
        psycopg2.extensions.register_type(one, connection)
        psycopg2.extensions.register_type(psycopg2.extensions.new_array_type((array,), cls.name + '[]', one), connection)
        psycopg2.extensions.register_adapter(cls, Adapter)


class Client:
    def __init__(self):
        self.connection = psycopg2.connect('')
        self.connection.autocommit = True
        self.more = [
            ('arrays', self.arrays),
            ('COPY as text, in and out', lambda: self.copies('TEXT')),
            ('COPY in binary, in and out', lambda: self.copies('BINARY')),
        ]

    def query(self, query, values=None, factory=None):
        with self.connection.cursor(cursor_factory=factory) as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def sql(self, text):
        return self.query(text)

    def create_extension(self, name):
        self.query(f'CREATE EXTENSION IF NOT EXISTS {name}')
        register(self.connection)

    def create_table(self):
        self.query('CREATE TABLE items (id bigserial PRIMARY KEY, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))')

    def insert(self, rows):
        with self.connection.cursor() as cursor:
            execute_values(cursor, 'INSERT INTO items (id, embedding, half, bits, sparse) VALUES %s', rows,
                           template='(%(id)s, %(embedding)s::vector, %(half)s::halfvec, %(bits)s::bit(3), %(sparse)s::sparsevec)')

    def update(self, id, changes):
        self.query(f"UPDATE items SET {', '.join(f'{column} = %({column})s' for column in changes)} WHERE id = %(id)s", {**changes, 'id': id})

    def remove(self, id):
        self.query('DELETE FROM items WHERE id = %s', [id])

    def all(self):
        return [dict(one) for one in self.query('SELECT * FROM items ORDER BY id', factory=RealDictCursor)]

    def create_index(self, name, column, opclass, method):
        self.query(f'CREATE INDEX {name} ON items USING {method} ({column} {opclass})' + (' WITH (lists = 100)' if method == 'ivfflat' else ''))

    def nearest(self, column, operator, value):
        operator = operator.replace('%', '%%')
        return [id for id, in self.query(f'SELECT id FROM items WHERE {column} IS NOT NULL ORDER BY {column} {operator} %s LIMIT 4', [value])]

    def within(self, column, operator, value, bound):
        operator = operator.replace('%', '%%')
        return [id for id, in self.query(f'SELECT id FROM items WHERE id <> 1 AND {column} {operator} %(value)s < %(bound)s ORDER BY {column} {operator} %(value)s LIMIT 4', {'value': value, 'bound': bound})]

    def sqlstate(self, error):
        return error.pgcode

    def arrays(self):
        equal(self.query('SELECT %s::vector[]', [[Vector([1, 2]), Vector([3]), None]])[0][0], [Vector([1, 2]), Vector([3]), None])

    def copies(self, format):
        self.query('CREATE TABLE copied (LIKE items)')
        with self.connection.cursor() as cursor:
            data = io.BytesIO()
            cursor.copy_expert(f'COPY items TO STDOUT WITH (FORMAT {format})', data)
            if format == 'TEXT':
                assert b'1\t[1,1,1]\t[1,1,1]\t101\t{1:1,2:1,3:1}/3\n' in data.getvalue(), data.getvalue()
            else:
                for column in 'embedding', 'half', 'sparse':
                    assert ROWS[1][column].to_binary() in data.getvalue(), column
            data.seek(0)
            cursor.copy_expert(f'COPY copied FROM STDIN WITH (FORMAT {format})', data)
        equal([dict(one) for one in self.query('SELECT * FROM copied ORDER BY id', factory=RealDictCursor)], ROWS)
        self.query('DROP TABLE copied')


conform(Client())
