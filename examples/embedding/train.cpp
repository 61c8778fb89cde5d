// Trains by a step that cnndsl made, with ONNX Runtime's C++ API: `train FOLDER STEPS`.
//
// It prints the losses, and the answer for a picture of the class 7, as JSON.

#include <onnxruntime_cxx_api.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int side = 32;
constexpr int classes = 10;

/// Random numbers that every language draws alike (a linear congruential generator).
class Numbers {
 public:
  explicit Numbers(std::uint32_t seed) : state(seed) {}

  /// A number from 0 up to, and without, 1.
  double next() {
    state = state * 1664525u + 1013904223u;
    return state / 4294967296.0;
  }

 private:
  std::uint32_t state;
};

/// Draws a bar at the height of its class, in noise: 1 x 32 x 32 numbers.
void picture(Numbers& numbers, int label, float* pixels) {
  for (int at = 0; at < side * side; ++at) {
    double pixel = 0.3 * numbers.next();
    if (at / side >= 3 * label && at / side < 3 * label + 4) pixel += 1;
    pixels[at] = static_cast<float>(pixel);
  }
}

/// A model with the names of its inputs and outputs, called with values by their names.
class Model {
 public:
  using Values = std::map<std::string, Ort::Value>;

  Model(Ort::Env& environment, const std::filesystem::path& path)
      : session(environment, path.c_str(), Ort::SessionOptions{nullptr}) {
    Ort::AllocatorWithDefaultOptions allocator;
    for (size_t at = 0; at < session.GetInputCount(); ++at)
      inputs.emplace_back(session.GetInputNameAllocated(at, allocator).get());
    for (size_t at = 0; at < session.GetOutputCount(); ++at)
      outputs.emplace_back(session.GetOutputNameAllocated(at, allocator).get());
  }

  Values run(const Values& values) {
    std::vector<const char*> in, out;
    std::vector<const OrtValue*> given;
    for (const auto& name : inputs) {
      in.push_back(name.c_str());
      given.push_back(values.at(name));
    }
    for (const auto& name : outputs) out.push_back(name.c_str());
    std::vector<OrtValue*> made(out.size(), nullptr);
    Ort::ThrowOnError(Ort::GetApi().Run(session, nullptr, in.data(), given.data(), in.size(),
                                        out.data(), out.size(), made.data()));
    Values results;
    for (size_t at = 0; at < out.size(); ++at) results.emplace(outputs[at], Ort::Value(made[at]));
    return results;
  }

  /// The sizes of an input: of the first one, batch first.
  std::vector<int64_t> sizes(size_t input) const {
    return session.GetInputTypeInfo(input).GetTensorTypeAndShapeInfo().GetShape();
  }

 private:
  Ort::Session session;
  std::vector<std::string> inputs, outputs;
};

/// A tensor over numbers that stay where they are while it is used.
template <typename T>
Ort::Value tensor(std::vector<T>& numbers, const std::vector<int64_t>& sizes) {
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  return Ort::Value::CreateTensor<T>(memory, numbers.data(), numbers.size(), sizes.data(),
                                     sizes.size());
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fprintf(stderr, "usage: train FOLDER STEPS\n");
    return 2;
  }
  const std::filesystem::path folder = words[1];
  const int steps = std::stoi(words[2]);
  Ort::Env environment(ORT_LOGGING_LEVEL_WARNING, "train");
  Model first(environment, folder / "step.init.onnx");
  Model step(environment, folder / "step.onnx");
  Model answer(environment, folder / "answer.onnx");

  Model::Values values = first.run({});  // weights and the optimizer's state, by their names
  const int64_t batch = step.sizes(0)[0];
  std::vector<float> pixels(batch * side * side), rate{0.05f}, one(side * side);
  std::vector<int64_t> labels(batch), number{0}, seed{1};
  const auto give = [&values](const char* name, Ort::Value value) {
    values.insert_or_assign(name, std::move(value));
  };
  Numbers numbers(1);
  std::printf("{\"losses\": [");
  for (; number[0] < steps; ++number[0]) {
    for (auto& label : labels) label = static_cast<int64_t>(classes * numbers.next());
    for (int64_t at = 0; at < batch; ++at)
      picture(numbers, static_cast<int>(labels[at]), &pixels[at * side * side]);
    give("input", tensor(pixels, {batch, 1, side, side}));
    give("labels", tensor(labels, {batch}));
    give("lr", tensor(rate, {}));
    give("step", tensor(number, {}));
    give("seed", tensor(seed, {}));
    auto results = step.run(values);
    std::printf("%s%.9g", number[0] ? ", " : "", *results.at("loss").GetTensorData<float>());
    // What comes out as `C1.weight.next` goes in as `C1.weight`.
    const std::string next = ".next";
    for (auto& [name, value] : results)
      if (name.size() > next.size() && name.ends_with(next))
        give(name.substr(0, name.size() - next.size()).c_str(), std::move(value));
  }

  Numbers others(7);
  picture(others, 7, one.data());
  give("input", tensor(one, {1, 1, side, side}));
  const auto results = answer.run(values);
  const float* found = results.at("output").GetTensorData<float>();
  std::printf("], \"answer\": [");
  for (int at = 0; at < classes; ++at) std::printf("%s%.9g", at ? ", " : "", found[at]);
  std::printf("]}\n");
}
