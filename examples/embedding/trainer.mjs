// Trains by a step that cnndsl made, with ONNX Runtime for Node (`onnxruntime-node`) or for the
// web (`onnxruntime-web`): whichever is handed over as `ort`.

const SIDE = 32;
const CLASSES = 10;

/** Random numbers that every language draws alike (a linear congruential generator). */
export class Numbers {
  constructor(seed) {
    this.state = seed;
  }

  /** A number from 0 up to, and without, 1. */
  next() {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return this.state / 2 ** 32;
  }
}

/** A bar at the height of its class, in noise: 1 x 32 x 32 numbers. */
export function picture(numbers, label) {
  const pixels = Array.from({ length: SIDE * SIDE }, () => 0.3 * numbers.next());
  for (let at = 3 * label * SIDE; at < (3 * label + 4) * SIDE; at++) pixels[at] += 1;
  return Float32Array.from(pixels);
}

export class Trainer {
  /** `step`, `init` and `answer` are models: paths, or bytes. */
  static async open(ort, step, init, answer, options = {}) {
    const [first, ...sessions] = await Promise.all(
      [init, step, answer].map((model) => ort.InferenceSession.create(model, options)),
    );
    return new Trainer(ort, await first.run({}), ...sessions);
  }

  constructor(ort, values, step, answer) {
    this.ort = ort;
    this.values = { ...values }; // weights and the optimizer's state, by their names
    this.session = step;
    this.answers = answer;
    this.done = 0;
  }

  /** One step on a batch of pictures; gives the loss. */
  async step(pictures, labels, rate) {
    const { Tensor } = this.ort;
    const pixels = new Float32Array(pictures.length * SIDE * SIDE);
    pictures.forEach((one, at) => pixels.set(one, at * SIDE * SIDE));
    const results = await this.session.run({
      ...this.values,
      input: new Tensor("float32", pixels, [pictures.length, 1, SIDE, SIDE]),
      labels: new Tensor("int64", BigInt64Array.from(labels, BigInt), [labels.length]),
      lr: new Tensor("float32", [rate], []),
      step: new Tensor("int64", [BigInt(this.done)], []),
      seed: new Tensor("int64", [1n], []),
    });
    // What comes out as `C1.weight.next` goes in as `C1.weight`.
    for (const [name, value] of Object.entries(results)) {
      if (name.endsWith(".next")) this.values[name.slice(0, -".next".length)] = value;
    }
    this.done += 1;
    return results.loss.data[0];
  }

  /** The probability of each class, for a picture. */
  async ask(pixels) {
    const feeds = { input: new this.ort.Tensor("float32", pixels, [1, 1, SIDE, SIDE]) };
    for (const name of this.answers.inputNames.slice(1)) feeds[name] = this.values[name];
    const results = await this.answers.run(feeds);
    return Array.from(results.output.data);
  }
}

/** Steps on batches that `numbers` decides; `told` gets each loss. */
export async function train(trainer, steps, numbers = new Numbers(1), told = () => {}) {
  const losses = [];
  for (let number = 0; number < steps; number++) {
    const labels = Array.from({ length: 32 }, () => Math.floor(CLASSES * numbers.next()));
    const loss = await trainer.step(labels.map((one) => picture(numbers, one)), labels, 0.05);
    losses.push(loss);
    await told(loss);
  }
  return losses;
}
