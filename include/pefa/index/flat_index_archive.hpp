// pefa: how a FlatIndex goes into an archive and is served from one.
#pragma once

#include <string>

#include "pefa/index/flat_index.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"

namespace pefa {

template <EmbeddingScalar Scalar>
void FlatIndex<Scalar>::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  detail::describe_index(writer, prefix, *this, "flat", scalar_name<Scalar>());
  detail::save_rows(writer, prefix, rows());
}

template <EmbeddingScalar Scalar>
FlatIndex<Scalar> FlatIndex<Scalar>::open(const io::ArchiveReader& reader, const std::string& prefix) {
  const auto shape = detail::IndexDescription::open(reader, prefix, "flat", scalar_name<Scalar>());
  FlatIndex index(shape.metric);
  index.rows_.map(detail::open_rows<Scalar>(reader, prefix, shape), reader.owner());
  index.keep_codes(AnyExecutor::serial());
  return index;
}

}  // namespace pefa
