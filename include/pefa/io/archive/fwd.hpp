// pefa: the names of what reads and writes archives, for headers that only mention them.
#pragma once

namespace pefa::io {

class ArchiveReader;
class ArchiveWriter;
class ArchiveMetadata;
class ExternalIds;

}  // namespace pefa::io
