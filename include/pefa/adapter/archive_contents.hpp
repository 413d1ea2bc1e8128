// pefa: which retriever an archive holds, in words and as the C++ type that opens it; and whether that is the type at
// hand. Reads metadata alone.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pefa/adapter/gate.hpp"
#include "pefa/core/error.hpp"
#include "pefa/io/archive/metadata.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/store/scalar.hpp"

namespace pefa {

template <EmbeddingScalar Scalar>
class FlatIndex;
class HnswIndex;
template <EmbeddingScalar Scalar>
class QuantizedHnswIndex;
template <EmbeddingScalar Scalar>
class PartitionedIndex;

namespace detail {

/// What an archive's metadata say of an index: "flat", "float32".
struct IndexLabel {
  std::string kind{};
  std::string scalar{};

  friend bool operator==(const IndexLabel&, const IndexLabel&) = default;
};

/// What an archive's metadata say of a retriever; empty where they do not.
struct RetrieverLabel {
  std::string method{};  ///< erm, xs, xl or xs_multi
  IndexLabel passages{};
  IndexLabel queries{};  ///< XL
  std::string gate{};    ///< XL: mean, sum, softmax or local; of a type, any: AnyGate
};

inline constexpr const char* any_gate = "any";

/// The label of an index type; a host's own has none.
template <class Index>
struct IndexLabelOf {
  static std::optional<IndexLabel> get() { return std::nullopt; }
};
template <EmbeddingScalar Scalar>
struct IndexLabelOf<FlatIndex<Scalar>> {
  static std::optional<IndexLabel> get() { return IndexLabel{"flat", scalar_name<Scalar>()}; }
};
template <>
struct IndexLabelOf<HnswIndex> {
  static std::optional<IndexLabel> get() { return IndexLabel{"hnsw", scalar_name<float>()}; }
};
template <EmbeddingScalar Scalar>
struct IndexLabelOf<QuantizedHnswIndex<Scalar>> {
  static std::optional<IndexLabel> get() { return IndexLabel{"quantized_hnsw", scalar_name<Scalar>()}; }
};
template <EmbeddingScalar Scalar>
struct IndexLabelOf<PartitionedIndex<Scalar>> {
  static std::optional<IndexLabel> get() { return IndexLabel{"partitioned", scalar_name<Scalar>()}; }
};

/// The name of a gate type in archives.
template <class G>
[[nodiscard]] constexpr const char* gate_label() noexcept {
  if constexpr (std::same_as<G, MeanGate>) return "mean";
  if constexpr (std::same_as<G, SumGate>) return "sum";
  if constexpr (std::same_as<G, SoftmaxGate>) return "softmax";
  if constexpr (std::same_as<G, LocalRegressionGate>) return "local";
  return any_gate;
}

[[nodiscard]] inline RetrieverLabel label_of(const io::ArchiveReader& reader) {
  const auto text = [&](const char* key) { return reader.metadata().find_text(key).value_or(""); };
  RetrieverLabel label{.method = reader.metadata().text("retriever"),
                       .passages = {text("passages.index"), text("passages.scalar")}};
  if (label.method == "xl") {
    label.queries = {text("queries.index"), text("queries.scalar")};
    label.gate = text("gate");
  }
  return label;
}

/// "float", "Eigen::half"; empty for a name that this pefa does not know.
[[nodiscard]] inline std::string cpp_scalar(std::string_view name) {
  if (name == scalar_name<float>()) return "float";
  if (name == scalar_name<double>()) return "double";
  if (name == scalar_name<Eigen::half>()) return "Eigen::half";
  if (name == scalar_name<Eigen::bfloat16>()) return "Eigen::bfloat16";
  if (name == scalar_name<std::int8_t>()) return "std::int8_t";
  return {};
}

/// "HnswIndex", "FlatIndex<>", "FlatIndex<Eigen::half>"; empty for one that this pefa does not know.
[[nodiscard]] inline std::string cpp_index(const IndexLabel& index) {
  const std::string scalar = cpp_scalar(index.scalar);
  if (scalar.empty()) return {};
  if (index.kind == "hnsw") return "HnswIndex";
  const std::string arguments = scalar == "float" ? "<>" : "<" + scalar + ">";
  if (index.kind == "flat") return "FlatIndex" + arguments;
  if (index.kind == "partitioned") return "PartitionedIndex" + arguments;
  if (index.kind == "quantized_hnsw") return "QuantizedHnswIndex" + arguments;
  return {};
}

/// The type that opens it: "PefaXl<float, HnswIndex, HnswIndex, SoftmaxGate>"; empty where a part is not the library's.
[[nodiscard]] inline std::string cpp_type_of(const RetrieverLabel& label) {
  const std::string passages = cpp_index(label.passages);
  if (passages.empty()) return {};
  // HnswIndex holds floats, whatever it was built of.
  const bool is_hnsw = label.passages.kind == "hnsw";
  if (label.method == "xs") return "PefaXs<float, " + passages + ">";
  if (label.method == "xs_multi") return "PefaXsMulti<float, " + passages + ">";
  if (label.method == "erm") {
    return "ErmRetriever<" + (is_hnsw ? "float" : cpp_scalar(label.passages.scalar)) + ", " + passages + ">";
  }
  const std::string queries = cpp_index(label.queries);
  if (label.method != "xl" || queries.empty()) return {};
  const std::string scalar = cpp_scalar(is_hnsw ? label.queries.scalar : label.passages.scalar);
  const std::string gate = label.gate == "mean"      ? "MeanGate"
                           : label.gate == "sum"     ? "SumGate"
                           : label.gate == "softmax" ? "SoftmaxGate"
                           : label.gate == "local"   ? "LocalRegressionGate"
                           : label.gate == any_gate  ? "AnyGate"
                                                     : "";
  if (gate.empty()) return {};
  return "PefaXl<" + scalar + ", " + passages + ", " + queries + ", " + gate + ">";
}

/// The same of what an archive holds. @throws FormatError  it holds no retriever
[[nodiscard]] inline std::string cpp_type_of(const io::ArchiveReader& reader) {
  return cpp_type_of(label_of(reader));
}

/// "an xl retriever over hnsw of float32, training queries over flat of float32, gate softmax".
[[nodiscard]] inline std::string describe(const RetrieverLabel& label) {
  const auto index = [](const IndexLabel& held) {
    return (held.kind.empty() ? "an unknown index" : held.kind) + (held.scalar.empty() ? "" : " of " + held.scalar);
  };
  std::string text = "an " + label.method + " retriever over " + index(label.passages);
  if (label.method == "xl") text += ", training queries over " + index(label.queries) + ", gate " + label.gate;
  return text;
}

/// The same of what an archive holds. @throws FormatError  it holds no retriever
[[nodiscard]] inline std::string describe_archive(const io::ArchiveReader& reader) {
  return describe(label_of(reader));
}

/// @param asked  of the type at hand; an index without a kind is a host's own and may be what is there
/// @throws FormatError  the archive holds another, with the ways to open it
inline void require_label(const io::ArchiveReader& reader, const RetrieverLabel& asked) {
  const RetrieverLabel there = label_of(reader);
  const auto fits = [](const IndexLabel& type, const IndexLabel& held) { return type.kind.empty() || type == held; };
  const bool is_xl = asked.method == "xl";
  if (there.method == asked.method && fits(asked.passages, there.passages) &&
      (!is_xl || (fits(asked.queries, there.queries) && (asked.gate == any_gate || asked.gate == there.gate)))) {
    return;
  }
  const std::string type = cpp_type_of(there);
  fail<FormatError>(reader.name(), ": holds ", describe(there), "; asked to open it as ", describe(asked),
                    ". pefa::open(path) opens it whatever it holds", type.empty() ? "" : ", as does ",
                    type.empty() ? "" : type + "::open(path)");
}

}  // namespace detail
}  // namespace pefa
