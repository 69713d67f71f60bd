// binary.mjs: the binary forms of vectors, and COPY's; node-postgres has no helpers for them.

function bytes(length, fill) {
	const view = new DataView(new ArrayBuffer(length));
	fill(view);
	return Buffer.from(view.buffer);
}

export function vectorBinary(values) {
	return bytes(4 + 4 * values.length, (view) => {
		view.setInt16(0, values.length);
		values.forEach((value, i) => view.setFloat32(4 + 4 * i, value));
	});
}

// Takes the bits of half-precision numbers.
export function halfvecBinary(halves) {
	return bytes(4 + 2 * halves.length, (view) => {
		view.setInt16(0, halves.length);
		halves.forEach((half, i) => view.setUint16(4 + 2 * i, half));
	});
}

export function sparsevecBinary(dimensions, elements) {
	const entries = Object.entries(elements);
	return bytes(12 + 8 * entries.length, (view) => {
		view.setInt32(0, dimensions);
		view.setInt32(4, entries.length);
		entries.forEach(([index, value], i) => {
			view.setInt32(12 + 4 * i, Number(index));
			view.setFloat32(12 + 4 * (entries.length + i), value);
		});
	});
}

const signature = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");

function int16(value) {
	return bytes(2, (view) => view.setInt16(0, value));
}

function int32(value) {
	return bytes(4, (view) => view.setInt32(0, value));
}

export function copyBinary(rows) {
	const parts = rows.flatMap((row) => [int16(row.length), ...row.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), value]))]);
	return Buffer.concat([signature, ...parts, int16(-1)]);
}

export function readCopyBinary(buffer) {
	const rows = [];
	let at = signature.length;
	for (let columns = buffer.readInt16BE(at); columns >= 0; columns = buffer.readInt16BE(at)) {
		const row = [];
		at += 2;
		for (let i = 0; i < columns; i++) {
			const length = buffer.readInt32BE(at);
			at += 4;
			row.push(length < 0 ? null : buffer.subarray(at, at + length));
			at += Math.max(length, 0);
		}
		rows.push(row);
	}
	return rows;
}
