// sequelize.mjs: Sequelize, with pgvector/sequelize.
import { DataTypes, Op, Sequelize, where } from "sequelize";
import { cosineDistance, hammingDistance, jaccardDistance, l1Distance, l2Distance, maxInnerProduct } from "pgvector/sequelize";
import { conform } from "./conform.mjs";

const options = {
	dialect: "postgres",
	host: process.env.PGHOST,
	port: process.env.PGPORT,
	username: process.env.PGUSER,
	database: process.env.PGDATABASE,
	pool: { max: 1 },
	logging: false,
};
const sequelize = new Sequelize(options);
const distance = { "<->": l2Distance, "<#>": maxInnerProduct, "<=>": cosineDistance, "<+>": l1Distance, "<~>": hammingDistance, "<%>": jaccardDistance };

const Item = sequelize.define("Item", {
	id: { type: DataTypes.INTEGER, autoIncrement: true, primaryKey: true },
	embedding: { type: DataTypes.VECTOR(3) },
	half: { type: DataTypes.HALFVEC(3) },
	bits: { type: "BIT(3)" },
	sparse: { type: DataTypes.SPARSEVEC(3) },
}, { modelName: "Item", tableName: "items", timestamps: false, underscored: true });

const ids = (rows) => rows.map(({ id }) => id);

await conform({
	sql: async (text) => (await sequelize.query(text))[0],
	async createExtension(name) {
		// types are looked up when the first connection is made: by then they must be there
		const first = new Sequelize(options);
		await first.query(`CREATE EXTENSION IF NOT EXISTS ${name}`);
		await first.close();
	},
	createTable: () => Item.sync({ force: true }),
	insert: (rows) => Item.bulkCreate(rows),
	update: (id, changes) => Item.update(changes, { where: { id } }),
	remove: (id) => Item.destroy({ where: { id } }),
	all: async () => (await Item.findAll({ order: ["id"] })).map((item) => item.get({ plain: true })),
	createIndex: (name, column, opclass, method) => sequelize.getQueryInterface().addIndex("items", { name, using: method, fields: [{ name: column, operator: opclass }] }),
	nearest: async (column, operator, value) => ids(await Item.findAll({ where: { [column]: { [Op.ne]: null } }, order: distance[operator](column, value, sequelize), limit: 4 })),
	within: async (column, operator, value, bound) => ids(await Item.findAll({
		where: { [Op.and]: [{ id: { [Op.ne]: 1 } }, where(distance[operator](column, value, sequelize), { [Op.lt]: bound })] },
		order: distance[operator](column, value, sequelize),
		limit: 4,
	})),
	close: () => sequelize.close(),
});
