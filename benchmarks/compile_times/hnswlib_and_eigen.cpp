// The yardstick: what a host that uses hnswlib and Eigen pays already.
#include <hnswlib/hnswlib.h>

#include <Eigen/Core>
