// How far the cores of this process lie from each other. Where they share no cache, another core takes up
// work only after as long as a few thousand sums take, and reads what this one wrote as slowly. A
// virtual machine's cores move, so the pool of threads measures it as it goes (threads.cpp).
#pragma once

namespace tenon {

// Whether work of a few microseconds is done sooner by the caller alone.
bool cores_are_far();

}  // namespace tenon
