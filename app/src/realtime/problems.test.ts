import { DispatchError } from "@dispatch/client";
import { expect, test } from "vitest";
import { problemOf, reasonOf } from "./problems";

test("what the server calls an error counts for more than how it came", () => {
  const error = new DispatchError("server", "Insufficient credits: session not allowed", { type: "insufficient_credits" });
  expect(problemOf(error)).toMatchObject({ text: "The credits of this key are used up.", hint: expect.stringContaining("go on") });
});

test("a key is missing, too old, revoked or wrong", () => {
  const of = (message: string) => problemOf(new DispatchError("server", message, { type: "invalid_api_key" })).text;
  expect(of("Invalid API key: none was given; put a key")).toBe("The server wants a key.");
  expect(of("Unauthorized: this client token has expired")).toBe("The token has expired.");
  expect(of("Invalid API key: it was revoked")).toBe("The key was revoked.");
  expect(of("Invalid API key")).toBe("The server does not take the key.");
});

test("what did not come in time is told apart", () => {
  const of = (message: string) => problemOf(new DispatchError("server", message, { type: "upstream_timeout" })).text;
  expect(of("No media connection came up in time")).toBe(problemOf(new DispatchError("media", "media do not flow")).text);
  expect(of("No video came for too long: an idle session is not allowed")).toBe("The server saw no video for a minute.");
  expect(of("No offer came in time")).toBe("The server did not answer in time.");
});

test("what has no words of ours has its own", () => {
  expect(problemOf(new DispatchError("server", "the generation failed: no memory", { type: "internal_error" }))).toEqual({
    text: "The generation failed: no memory.",
  });
  expect(problemOf(new Error("odd"))).toEqual({ text: "Odd." });
  expect(reasonOf("interrupted")).toMatch(/killed/);
  expect(reasonOf("something_new")).toBe("something_new");
});
