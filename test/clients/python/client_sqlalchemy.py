"""client_sqlalchemy.py: SQLAlchemy over psycopg2: types with operators, the ORM, indexes, reflection."""
from sqlalchemy import Column, Index, Integer, MetaData, Table, create_engine, func, inspect, select, text
from sqlalchemy.dialects.postgresql import BIT, ARRAY
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Session, declarative_base
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import Float, UserDefinedType

from conform import COLUMNS, IVFFLAT, QUERY, ROWS, conform, equal
from vectors import HalfVector, SparseVector, Vector

OPERATORS = {'<->': 'l2_distance', '<#>': 'max_inner_product', '<=>': 'cosine_distance', '<+>': 'l1_distance'}


class OfNumbers(UserDefinedType):
    def __init__(self, dimensions=None):
        self.dimensions = dimensions

    def get_col_spec(self, **kw):
        return self.value.name.upper() + (f'({self.dimensions})' if self.dimensions else '')

    def bind_processor(self, dialect):
        return lambda value: None if value is None else value.to_text()

    def result_processor(self, dialect, coltype):
        return lambda value: None if value is None else self.value.from_text(value)

    class comparator_factory(UserDefinedType.Comparator):
        def l2_distance(self, other):
            return self.op('<->', return_type=Float)(other)

        def max_inner_product(self, other):
            return self.op('<#>', return_type=Float)(other)

        def cosine_distance(self, other):
            return self.op('<=>', return_type=Float)(other)

        def l1_distance(self, other):
            return self.op('<+>', return_type=Float)(other)


class VECTOR(OfNumbers):
    cache_ok = True
    value = Vector


class HALFVEC(OfNumbers):
    cache_ok = True
    value = HalfVector


class SPARSEVEC(OfNumbers):
    cache_ok = True
    value = SparseVector


ischema_names.update(vector=VECTOR, halfvec=HALFVEC, sparsevec=SPARSEVEC)
Base = declarative_base()


class Item(Base):
    __tablename__ = 'items'
    id = Column(Integer, primary_key=True)
    embedding = Column(VECTOR(3))
    half = Column(HALFVEC(3))
    bits = Column(BIT(3))
    sparse = Column(SPARSEVEC(3))


def distance(column, operator, value):
    measured = getattr(Item, column)
    if column == 'bits':
        return measured.op(operator, return_type=Float)(value)
    return getattr(measured, OPERATORS[operator])(value)


class Client:
    def __init__(self):
        self.engine = create_engine('postgresql+psycopg2://', poolclass=StaticPool, isolation_level='AUTOCOMMIT')
        self.session = Session(self.engine)
        self.more = [
            ('a distance in a row, with a threshold', self.scored),
            ('averages by the ORM', self.averages),
            ('reflection', self.reflection),
            ('metadata makes tables with indexes', self.metadata),
        ]

    def sql(self, statement):
        result = self.session.execute(text(statement.replace(':', r'\:')))
        return [tuple(one) for one in result.fetchall()] if result.returns_rows else []

    def create_extension(self, name):
        self.session.execute(text(f'CREATE EXTENSION IF NOT EXISTS {name}'))

    def create_table(self):
        Base.metadata.create_all(self.session.connection())

    def insert(self, rows):
        try:
            self.session.bulk_insert_mappings(Item, rows)
        except Exception:
            self.session.rollback()
            raise

    def update(self, id, changes):
        item = self.session.get(Item, id)
        for column, value in changes.items():
            setattr(item, column, value)
        self.session.flush()

    def remove(self, id):
        self.session.delete(self.session.get(Item, id))
        self.session.flush()

    def all(self):
        self.session.expire_all()
        return [{'id': item.id, **{column: getattr(item, column) for column in COLUMNS}} for item in self.session.scalars(select(Item).order_by(Item.id))]

    def create_index(self, name, column, opclass, method):
        parameters = {'lists': 100} if method == 'ivfflat' else {'m': 16, 'ef_construction': 64}
        index = Index(name, getattr(Item, column), postgresql_using=method, postgresql_with=parameters, postgresql_ops={column: opclass})
        index.create(self.session.connection())
        Item.__table__.indexes.remove(index)

    def nearest(self, column, operator, value):
        try:
            return self.session.scalars(select(Item.id).where(getattr(Item, column).is_not(None)).order_by(distance(column, operator, value)).limit(4)).all()
        except Exception:
            self.session.rollback()
            raise

    def within(self, column, operator, value, bound):
        return self.session.scalars(select(Item.id).where(Item.id != 1, distance(column, operator, value) < bound).order_by(distance(column, operator, value)).limit(4)).all()

    def sqlstate(self, error):
        return error.orig.pgcode

    def scored(self):
        measured = Item.embedding.cosine_distance(QUERY['embedding']).label('distance')
        rows = self.session.execute(select(Item.id, (1 - measured).label('similarity')).where(measured < 0.5).order_by(measured)).all()
        equal([id for id, _ in rows], [1, 2, 3])
        equal(rows[0].similarity, 1.0)

    def averages(self):
        equal(self.session.scalars(select(func.avg(Item.embedding, type_=VECTOR)).where(Item.id <= 2)).one(), Vector([1.5, 1.5, 2]))
        equal(self.session.scalars(select(func.sum(Item.half, type_=HALFVEC)).where(Item.id <= 2)).one(), HalfVector([3, 3, 4]))

    def reflection(self):
        columns = {one['name']: one['type'] for one in inspect(self.session.connection()).get_columns('items')}
        for column, cls in ('embedding', VECTOR), ('half', HALFVEC), ('sparse', SPARSEVEC):
            assert isinstance(columns[column], cls), columns
        reflected = Table('items', MetaData(), autoload_with=self.session.connection())
        equal(self.session.execute(select(reflected.c.embedding).where(reflected.c.id == 2)).scalar(), ROWS[1]['embedding'])
        names = {one['name'] for one in inspect(self.session.connection()).get_indexes('items')}
        assert {f'{case[2]}_lists' for case in IVFFLAT} <= names, names

    def metadata(self):
        metadata = MetaData()
        several = Table('several', metadata, Column('id', Integer, primary_key=True), Column('embedding', VECTOR(3)), Column('list', ARRAY(VECTOR(3))))
        Index('several_hnsw', several.c.embedding, postgresql_using='hnsw', postgresql_ops={'embedding': 'vector_cosine_ops'})
        Index('several_half', text('(embedding\\:\\:halfvec(3)) halfvec_l2_ops'), postgresql_using='hnsw', _table=several)
        Index('several_bits', text('(binary_quantize(embedding)\\:\\:bit(3)) bit_hamming_ops'), postgresql_using='hnsw', _table=several)
        metadata.create_all(self.session.connection())
        self.session.execute(several.insert(), [{'id': one['id'], 'embedding': one['embedding']} for one in ROWS])
        found = self.sql("SELECT id FROM (SELECT * FROM several ORDER BY binary_quantize(embedding)::bit(3) <~> binary_quantize('[1,1,1]'::vector) LIMIT 4) AS s ORDER BY embedding <=> '[1,1,1]' LIMIT 2")
        equal(found, [(1,), (2,)])
        equal(self.sql("SELECT id FROM several ORDER BY embedding::halfvec(3) <-> '[2,2,3]' LIMIT 1"), [(2,)])
        metadata.drop_all(self.session.connection())


conform(Client())
