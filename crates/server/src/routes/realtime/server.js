// The server over HTTP.

/** How long an answer may take, in milliseconds. */
const PATIENCE = 10_000;

/** The JSON of a path. Errors have the server's words, and its `status` if it answered. */
export async function read(path, key) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const answer = await fetch(path, { headers, signal: AbortSignal.timeout(PATIENCE) });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(body.error ?? `HTTP ${answer.status}`), { status: answer.status });
  return body;
}

/** The receipts of the sessions that connections of these ids belong to: mostly one. */
export async function receipts(ids, key) {
  const all = await Promise.all([...ids].map((id) => settled(id, key)));
  return [...new Map(all.map((receipt) => [receipt.session, receipt])).values()];
}

/** A receipt, once it is settled; as it is, if that takes long. */
async function settled(id, key) {
  for (let attempt = 0; ; attempt++) {
    const isLast = attempt === 5;
    try {
      const receipt = await read(`/v1/sessions/${encodeURIComponent(id)}`, key);
      if (receipt.settled || isLast) return receipt;
    } catch (error) {
      // A server that does not answer may be starting.
      if (isLast || error.status !== undefined) throw error;
    }
    await new Promise((resolve) => { setTimeout(resolve, 200 * 2 ** attempt); });
  }
}
