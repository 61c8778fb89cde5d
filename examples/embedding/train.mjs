// Trains in Node: `node train.mjs FOLDER STEPS [PACKAGE]`, where the package is `onnxruntime-node`
// (by default) or `onnxruntime-web`, which computes in WebAssembly as a web page does.

import { join } from "node:path";
import { Numbers, Trainer, picture, train } from "./trainer.mjs";

const [folder, steps, name = "onnxruntime-node"] = process.argv.slice(2);
const ort = await import(name);
const models = ["step.onnx", "step.init.onnx", "answer.onnx"].map((one) => join(folder, one));
const trainer = await Trainer.open(ort.default ?? ort, ...models);
const losses = await train(trainer, Number(steps));
const answer = await trainer.ask(picture(new Numbers(7), 7));
console.log(JSON.stringify({ losses, answer }));
process.exit(0); // the pool of threads of onnxruntime-web would keep Node from ending
