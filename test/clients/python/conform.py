"""conform.py: what every client is asked, and the answers.

A client is an object that does each thing in its library's own idiom:
    sql(text)                           rows of a query as it is, tuples
    create_extension(name), create_table()
    insert(rows), update(id, changes), remove(id)
    all()                               rows in the order of id
    create_index(name, column, opclass, method)
    nearest(column, operator, value)    identifiers of the four nearest rows
    within(column, operator, value, bound)  of the rows nearer than that, except row 1, the nearest first
    sqlstate(error)                     that of the server's error, after which a new transaction begins
    more                                tests of its own, (name, function)
"""
import os
import sys
import traceback

from vectors import HalfVector, SparseVector, Vector

EXTENSION = os.environ['CLIENT_EXTENSION']
failed = False


def test(name, body):
    global failed
    try:
        body()
        print(f'ok - {name}')
    except Exception:
        failed = True
        print(f'not ok - {name}')
        print(traceback.format_exc())
    sys.stdout.flush()


def row(id, point, bits):
    if point is None:
        return {'id': id, 'embedding': None, 'half': None, 'bits': None, 'sparse': None}
    return {'id': id, 'embedding': Vector(point), 'half': HalfVector(point), 'bits': bits, 'sparse': SparseVector(len(point), dict(enumerate(point)))}


# The four distances put them in four orders.
ROWS = [
    row(1, [1, 1, 1], '101'),
    row(2, [2, 2, 3], '111'),
    row(3, [1, 1, 2], '011'),
    row(4, [-0.375, -0.375, 2.375], '010'),
    row(5, None, None),
]
QUERY = ROWS[0]
ORDERS = [
    ('<->', 'l2', [1, 3, 4, 2], 2.4, [3, 4]),
    ('<#>', 'ip', [2, 3, 1, 4], -2, [2, 3]),
    ('<=>', 'cosine', [1, 2, 3, 4], 0.1, [2, 3]),
    ('<+>', 'l1', [1, 3, 2, 4], 4.1, [3, 2]),
]
BIT_ORDERS = [
    ('<~>', 'hamming', [1, 2, 3, 4], 2, [2]),
    ('<%>', 'jaccard', [1, 2, 3, 4], 0.9, [2, 3]),
]
COLUMNS = {'embedding': 'vector', 'half': 'halfvec', 'bits': 'bit', 'sparse': 'sparsevec'}
# (column, operator class, name of an index, operator, order, bound, nearer than that)
CASES = [(column, f'{type}_{name}_ops', f'items_{column}_{name}', *rest)
         for column, type in COLUMNS.items()
         for operator, name, *found in (BIT_ORDERS if column == 'bits' else ORDERS)
         for rest in [(operator, *found)]]
IVFFLAT = [case for case in CASES if case[0] != 'sparse' and not case[1].endswith(('l1_ops', 'jaccard_ops'))]


def equal(got, expected):
    assert got == expected, f'got {got!r}, expected {expected!r}'


def refused(client, sqlstate, message, body):
    try:
        body()
    except Exception as error:
        equal(client.sqlstate(error), sqlstate)
        assert message in str(error), str(error)
    else:
        raise AssertionError(f'not refused: {message}')


def conform(client):
    def search(cases):
        for column, _, _, operator, order, bound, within in cases:
            equal((column, operator, client.nearest(column, operator, QUERY[column])), (column, operator, order))
            equal((column, operator, client.within(column, operator, QUERY[column], bound)), (column, operator, within))

    def takes_index(column, operator, name):
        value = QUERY[column] if column == 'bits' else QUERY[column].to_text()
        plan = client.sql(f"EXPLAIN SELECT id FROM items ORDER BY {column} {operator} '{value}' LIMIT 4")
        assert f'Index Scan using {name} ' in str(plan), plan

    def create_extension():
        client.create_extension(EXTENSION)
        client.create_extension(EXTENSION)

    def create_table():
        client.create_table()
        equal([tuple(one) for one in client.sql("SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 1 ORDER BY attnum")],
              [('embedding', 'vector(3)'), ('half', 'halfvec(3)'), ('bits', 'bit(3)'), ('sparse', 'sparsevec(3)')])

    def insert():
        client.insert(ROWS)
        equal(client.all(), ROWS)

    def index():
        for column, opclass, name, operator, *_ in CASES:
            client.create_index(name, column, opclass, 'hnsw')
        client.sql('SET enable_seqscan = off')
        client.sql('SET enable_sort = off')
        for column, opclass, name, operator, *_ in CASES:
            takes_index(column, operator, name)

    def settings():
        client.sql('SET hnsw.ef_search = 100')
        client.sql('SET hnsw.iterative_scan = relaxed_order')
        equal(client.sql("SELECT current_setting('hnsw.ef_search')")[0][0], '100')
        client.sql('RESET hnsw.iterative_scan')

    def update():
        far = {'embedding': Vector([9, 9, 9]), 'half': HalfVector([9, 9, 9]), 'bits': '000', 'sparse': SparseVector(3, {1: 9.5})}
        near = {'embedding': Vector([1, 1, 1.5]), 'half': HalfVector([1, 1, 1.5]), 'bits': '001', 'sparse': SparseVector(3, {2: 1.5})}
        none = {column: None for column in COLUMNS}
        client.update(3, far)
        client.update(4, none)
        client.update(5, near)
        client.remove(2)
        equal(client.all(), [ROWS[0], {'id': 3, **far}, {'id': 4, **none}, {'id': 5, **near}])
        for column, operator in ('embedding', '<->'), ('half', '<->'), ('sparse', '<->'), ('bits', '<~>'):
            equal((column, client.nearest(column, operator, QUERY[column])), (column, [1, 5, 3]))

    def ivfflat():
        for _, _, name, *_ in CASES:
            client.sql(f'DROP INDEX {name}')
        client.sql('DELETE FROM items')
        client.insert(ROWS)
        for column, opclass, name, *_ in IVFFLAT:
            client.create_index(f'{name}_lists', column, opclass, 'ivfflat')
        client.sql('SET ivfflat.probes = 100')
        for column, _, name, operator, *_ in IVFFLAT:
            takes_index(column, operator, f'{name}_lists')
        search(IVFFLAT)

    def aggregates():
        equal(tuple(client.sql("SELECT avg(embedding)::text, sum(half)::text, max(vector_dims(embedding)), min(l2_distance(embedding, '[1,1,1]')) FROM items WHERE id < 4")[0]),
              ('[1.3333334,1.3333334,2]', '[4,4,6]', 3, 0.0))

    def wrong():
        refused(client, '22000', 'expected 3 dimensions, not 2', lambda: client.insert([{**ROWS[0], 'id': 6, 'embedding': Vector([1, 2])}]))
        refused(client, '22000', 'expected 3 dimensions, not 4', lambda: client.insert([{**ROWS[0], 'id': 6, 'sparse': SparseVector(4, {0: 1})}]))
        refused(client, '22000', 'different vector dimensions', lambda: client.nearest('embedding', '<->', Vector([1, 2])))
        equal(len(client.all()), 5)

    def extensions():
        equal([name for name, in client.sql("SELECT extname::text FROM pg_extension WHERE extname IN ('vecmark', 'vector') ORDER BY 1")],
              ['vecmark'] if EXTENSION == 'vecmark' else ['vecmark', 'vector'])

    test('create extension, and again', create_extension)
    test('create a table', create_table)
    test('insert, and read the same', insert)
    test('nearest rows, every operator, exact', lambda: search(CASES))
    test('hnsw indexes, every operator class', index)
    test('nearest rows, every operator, by index', lambda: search(CASES))
    test('hnsw settings', settings)
    test('update and delete', update)
    test('ivfflat indexes', ivfflat)
    test('aggregates and functions', aggregates)
    test('what is wrong is refused', wrong)
    for name, body in client.more:
        test(name, body)
    test('extensions are those asked for', extensions)
    sys.exit(1 if failed else 0)
