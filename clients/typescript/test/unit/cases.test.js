// Runs the language-neutral cases in `clients/cases`: their README says what they mean.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import test from "node:test";
import { Connection } from "../../dist/realtime/connection.js";

const folder = new URL("../../../cases/", import.meta.url);
const read = (path) => JSON.parse(readFileSync(new URL(path, folder), "utf8"));
const WITHOUT_ATTEMPT = ["connect", "update", "disconnect", "time"];

class Run {
  now = 0;
  attempt = 0;

  constructor(options) {
    this.connection = new Connection(options);
  }

  step({ at = this.now, in: input, message }) {
    assert((input === undefined) !== (message === undefined), "a step has either an input or a message");
    this.now = at;
    const { deadline } = this.connection;
    assert(deadline === undefined || deadline >= at, `the deadline at ${deadline} is forgotten`);
    const given = input ?? { type: "message", text: JSON.stringify(message) };
    if (given.type === "time") assert.equal(deadline, at, "this is not the deadline");
    const numbered = WITHOUT_ATTEMPT.includes(given.type) ? given : { attempt: this.attempt, ...given };
    this.connection.handle(at, numbered);
    const outputs = [];
    for (let output = this.connection.poll(); output; output = this.connection.poll()) {
      if (output.type === "open") this.attempt = output.attempt;
      outputs.push(output);
    }
    // As JSON, in which what is undefined is not there.
    return JSON.parse(JSON.stringify(outputs));
  }
}

const preludes = read("preludes.json");
const names = new Set();
for (const file of readdirSync(new URL("connection", folder)).sort()) {
  for (const { name, options, after, steps } of read(`connection/${file}`)) {
    test(name, () => {
      assert(!names.has(name), "two cases have that name");
      names.add(name);
      const run = new Run(options);
      assert(after === undefined || preludes[after], "there is no such prelude");
      for (const step of preludes[after] ?? []) run.step(step);
      for (const [number, step] of steps.entries()) {
        const at = `step ${number}`;
        assert.deepEqual(run.step(step), step.out ?? [], at);
        if (step.state !== undefined) assert.equal(run.connection.state, step.state, at);
        if (step.deadline !== undefined) assert.equal(run.connection.deadline ?? null, step.deadline, at);
      }
    });
  }
}
