// Python's view of the kernel: one function, arrays in, arrays out.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/string.h>

#include <chrono>

#include "solve.hpp"

namespace nb = nanobind;
using namespace joulewise;

template <class T>
using In = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
std::vector<T> copy(const In<T>& a) { return std::vector<T>(a.data(), a.data() + a.size()); }

template <class T>
nb::object out(std::vector<T>&& values, std::initializer_list<std::size_t> shape) {
    auto* kept = new std::vector<T>(std::move(values));
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T>(kept->data(), shape, owner));
}

nb::dict run(In<Index> kind, In<Index> edges, In<Index> hull_first, In<Int> hull_time, In<Int> hull_slope,
             In<Index> option_first, In<Int> option_time, In<Int> option_cost, In<Int> deadlines,
             In<std::uint8_t> support, In<double> cautions,
             Int visits, nb::object progress, Int excess,
             double seconds, Int spare) {
    const Hulls hulls{copy(hull_first), copy(hull_time), copy(hull_slope)};
    const Options options{copy(option_first), copy(option_time), copy(option_cost)};
    const auto kinds = copy(kind), edge_list = copy(edges);
    const auto deadline_list = copy(deadlines);
    const auto support_list = copy(support);
    const Effort effort{copy(cautions), visits, excess, seconds, spare};
    Answer answer;
    {
        nb::gil_scoped_release released;
        auto last = std::chrono::steady_clock::now();
        answer = solve(kinds, edge_list, hulls, options, deadline_list, support_list, effort, [&](double done) {
            const auto now = std::chrono::steady_clock::now();
            if (now - last < std::chrono::milliseconds(20)) return;
            last = now;
            nb::gil_scoped_acquire held;
            if (PyErr_CheckSignals() != 0) throw nb::python_error();
            if (!progress.is_none()) progress(done);
        });
    }
    const std::size_t operations = kinds.size(), met = answer.met, breaks = answer.makespan.size();
    nb::dict result;
    result["pivots"] = answer.pivots;
    result["price"] = out(std::move(answer.price), {breaks - 1});
    result["makespan"] = out(std::move(answer.makespan), {breaks});
    result["cost"] = out(std::move(answer.cost), {breaks});
    result["plans"] = out(std::move(answer.plans), {met, operations});
    return result;
}

NB_MODULE(_kernel, m) {
    m.doc() = "Exact time-cost frontier of an activity network, and plans on it.";
    m.def("solve", &run, nb::arg("kind"), nb::arg("edges"), nb::arg("hull_first"), nb::arg("hull_time"),
          nb::arg("hull_slope"), nb::arg("option_first"), nb::arg("option_time"), nb::arg("option_cost"),
          nb::arg("deadlines"), nb::arg("support"), nb::arg("cautions"), nb::arg("visits"), nb::arg("progress").none(),
          nb::arg("excess") = 0, nb::arg("seconds") = 1e300, nb::arg("spare") = -1);
}
