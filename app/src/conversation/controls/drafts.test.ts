import { DispatchError } from "@dispatch/client";
import { beforeEach, describe, expect, test } from "vitest";
import { Draft, draftOf, joined } from "./drafts.svelte";
import type { Attachment } from "./images";
import { FakeView, gate } from "./testing.svelte";

const picture: Attachment = { id: "1", name: "a.png", mimeType: "image/png", size: 4, url: "data:image/png;base64,AAAAAA==" };
const lost = () => new DispatchError("unreachable", "the server cannot be reached");

/** As after a reload. */
const again = () => new Draft("draft");

describe("a draft", () => {
  let draft: Draft;
  let view: FakeView;

  beforeEach(() => {
    sessionStorage.clear();
    draft = again();
    view = new FakeView();
  });

  test("outlives a reload, with its images", () => {
    draft.text = "look at ";
    draft.attach([picture]);
    draft.text = "look at this";
    expect([again().text, again().images]).toEqual(["look at this", [picture]]);

    draft.detach("1");
    draft.text = "";
    expect([again().text, again().images, sessionStorage.length]).toEqual(["", [], 0]);
  });

  test("is sent trimmed, and is gone when the server has it", async () => {
    draft.text = "  look at this\n";
    draft.attach([picture]);
    expect(await draft.send(view)).toBe(true);
    expect(view.asked).toEqual([["send", "look at this", [{ url: picture.url, mimeType: "image/png" }]]]);
    expect([draft.text, draft.images, draft.isSending, again().text, again().images]).toEqual(["", [], false, "", []]);
  });

  test("is not sent without a text, nor twice at once", async () => {
    draft.attach([picture]);
    draft.text = " \n ";
    expect(await draft.send(view)).toBe(false);
    expect(view.asked).toEqual([]);

    const { shut, open } = gate();
    view.gate = shut;
    draft.text = "one";
    const first = draft.send(view);
    draft.text = "two";
    expect(draft.isSending).toBe(true);
    expect(await draft.send(view)).toBe(false);
    open();
    expect(await first).toBe(true);
    expect([view.asked.length, draft.text]).toEqual([1, "two"]);
  });

  test("is kept until the server has it: a reload meanwhile has it again", async () => {
    const { shut, open } = gate();
    view.gate = shut;
    draft.text = "one";
    const sent = draft.send(view);
    expect([draft.text, again().text]).toEqual(["", "one"]);
    draft.text = "two";
    expect(again().text).toBe("one\n\ntwo");
    open();
    await sent;
    expect(again().text).toBe("two");
  });

  test("comes back when it could not be sent, with the reason", async () => {
    view.failure = lost();
    draft.text = "one";
    draft.attach([picture]);
    expect(await draft.send(view)).toBe(false);
    expect([draft.text, draft.images, draft.unsent]).toEqual(["one", [picture], undefined]);
    expect(draft.problem?.text).toBe("The server cannot be reached.");
    expect([again().text, again().images]).toEqual(["one", [picture]]);

    // Sent again, it is the same.
    expect(await draft.send(view)).toBe(true);
    expect(view.asked[1]).toEqual(view.asked[0]);
    expect([draft.problem, draft.text]).toEqual([undefined, ""]);
  });

  test("does not come back into what is being written by then: it stands beside it", async () => {
    const { shut, open } = gate();
    [view.gate, view.failure] = [shut, lost()];
    draft.text = "one";
    const sent = draft.send(view);
    draft.text = "two";
    open();
    await sent;
    expect([draft.text, draft.unsent?.text, again().text]).toEqual(["two", "one", "one\n\ntwo"]);

    draft.takeBack();
    expect([draft.text, draft.unsent, draft.problem, again().text]).toEqual(["one\n\ntwo", undefined, undefined, "one\n\ntwo"]);
  });

  test("can be discarded when it could not be sent", async () => {
    const { shut, open } = gate();
    [view.gate, view.failure] = [shut, lost()];
    draft.text = "one";
    const sent = draft.send(view);
    draft.text = "two";
    open();
    await sent;
    draft.dismiss();
    expect([draft.text, draft.unsent, draft.problem, again().text]).toEqual(["two", undefined, undefined, "two"]);
  });

  test("takes back what was queued, before what is being written", () => {
    draft.text = "and";
    draft.attach([picture]);
    draft.takeFromQueue("look");
    expect([draft.text, draft.images]).toEqual(["look\n\nand", [picture]]);
  });

  test("begins anew where what was kept cannot be read", () => {
    sessionStorage.setItem("draft", "text");
    sessionStorage.setItem("draft.images", "{broken");
    expect([again().text, again().images]).toEqual(["text", []]);
  });
});

test("each conversation has its own, the same for as long as the page is there", () => {
  draftOf("c1").text = "one";
  expect([draftOf("c1").text, draftOf("c2").text]).toEqual(["one", ""]);
  expect(sessionStorage.getItem("dispatch.draft.c1")).toBe("one");
});

test("two messages are joined by a blank line, if both say something", () => {
  expect(joined({ text: "a", images: [] }, { text: "b", images: [picture] })).toEqual({ text: "a\n\nb", images: [picture] });
  expect(joined({ text: "", images: [] }, { text: "b", images: [] }).text).toBe("b");
  expect(joined({ text: "a ", images: [] }, { text: " ", images: [] }).text).toBe("a ");
});
