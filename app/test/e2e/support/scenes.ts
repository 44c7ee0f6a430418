// Things to look at: a conversation with everything in it, and a list of several.

import { PNG } from "pngjs";
import { type World, call, fail, pause, say, think, until, usage } from "../world.js";

/** A small picture: a slope from one colour to another. */
export function picture(width = 160, height = 100): string {
  const png = new PNG({ width, height });
  for (let at = 0; at < width * height; at += 1) {
    const [x, y] = [(at % width) / width, Math.floor(at / width) / height];
    png.data.set([40 + 160 * x, 90 + 80 * y, 200 - 90 * x, 255], at * 4);
  }
  return `data:image/png;base64,${PNG.sync.write(png).toString("base64")}`;
}

const NOTES = "# Notes\n\n- The greeting is too short.\n- Say it in both languages.\n";
const GREETING = `export function greet(name: string): string {
  return "Hi " + name;
}
`;
const SUMMARY = `is mended, and it says what the notes ask for:

1. It greets by name, **in both languages**.
2. An empty name is refused.

| language | before | after |
| --- | --- | --- |
| English | Hi Ada | Hello, Ada. |
| German | | Hallo, Ada. |

\`\`\`ts
export function greet(name: string, language: Language): string {
  if (name === "") throw new Error("Whom?"); // Nobody is greeted.
  return \`\${WORDS[language]}, \${name}.\`;
}
\`\`\`

- [x] the function
- [ ] its tests

> What is left are the tests. See [the guide](https://example.org/guide) for how they are run.`;

/** The id of the conversation with everything in it. */
export const TOUR = "tour";

/** A conversation with everything in it: three turns, of which one failed. */
export async function tour(world: World): Promise<void> {
  await world.write("notes.md", NOTES);
  await world.write("src/greet.ts", GREETING);
  const todos = (status: string) => [
    { content: "Read the notes", status: "completed" },
    { content: "Mend the greeting", status },
    { content: "Write the tests", status: "pending" },
  ];
  world.provider.answer("mend the greeting", [
    [
      think("The notes say what is wanted. The code is small, so both can be read at once."),
      say("I read the notes and the code first."),
      call("read_file", { path: "notes.md" }),
      call("read_file", { path: "src/greet.ts" }),
      call("run_shell", { command: "wc -l notes.md src/greet.ts" }),
      usage({ input: 1_200, output: 84 }),
    ],
    [
      say("The greeting is one line."),
      call("todo_write", { todos: todos("in_progress") }),
      call("edit_file", { path: "src/greet.ts", oldString: '  return "Hi " + name;', newString: '  if (name === "") throw new Error("Whom?");\n  return `Hello, ${name}.`;' }),
      until("steered"),
      usage({ input: 1_900, output: 210, cached: 1_100 }),
    ],
    [call("run_shell", { command: "grep -n Hallo src/greet.ts" }), call("write_file", { path: "src/words.ts", content: 'export const WORDS = { en: "Hello", de: "Hallo" };\n' }), usage({ input: 2_400, output: 120, cached: 1_900 })],
    [say("The greeting "), pause(200), say(SUMMARY), usage({ input: 2_700, output: 340, cached: 2_400 })],
  ]);
  const images = [{ url: picture(), mimeType: "image/png" }];
  const turn = world.turn(TOUR, "Read the notes and mend the greeting. It should look like this picture.", { images });
  await world.provider.reached("steered");
  await world.ask("POST", `/conversations/${TOUR}/queue`, { text: "In German as well, please." });
  world.provider.release("steered");
  await turn;
  world.provider.answer("other model", [[fail(400, "The model cannot be reached from here.")]]);
  await world.turn(TOUR, "Ask the other model what it thinks.");
  world.provider.answer("thank you", [[say("You are "), pause(200), say("welcome."), usage({ input: 3_100, output: 12, cached: 2_700 })]]);
  await world.turn(TOUR, "Never mind, thank you.");
  await world.ask("PUT", `/conversations/${TOUR}/title`, { title: "Mend the greeting" });
}

/** Other conversations beside it: idle, closed, and one that runs until `gate` is released. */
export async function others(world: World): Promise<void> {
  const titles = {
    build: "Why does the build fail on the new runner?",
    release: "Notes for the release",
    compare: "Compare two libraries that do the same, and say which one is the smaller, and why",
    old: "An old one",
  };
  for (const [id, title] of Object.entries(titles)) {
    await world.turn(id, "hello");
    await world.ask("PUT", `/conversations/${id}/title`, { title });
  }
  await world.ask("POST", "/conversations/old/close");
  world.provider.answer("count the words", [[say("I count them. "), until("counted"), say("Done.")]]);
  void world.turn("count", "Please count the words").catch(() => {});
  await world.provider.reached("counted");
  await world.ask("PUT", "/conversations/count/title", { title: "Count the words" });
}
