// pefa: the light entry, for a service that opens an archive and searches it: AnyRetriever and what it takes, without
// Eigen, hnswlib or streams.
//
// Link pefa::compiled, or include pefa/serve_impl.hpp in one source of your own.
#pragma once

#include "pefa/adapter/any_retriever.hpp"
#include "pefa/adapter/explanation.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/save_options.hpp"
#include "pefa/adapter/search_filter.hpp"
#include "pefa/adapter/search_options.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_filter.hpp"
#include "pefa/store/row_set.hpp"
#include "pefa/store/tag_table.hpp"
#include "pefa/version.hpp"
