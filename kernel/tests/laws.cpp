// Laws of solve(), held on random activity networks, on ones small enough to enumerate, and on degenerate ones.
// Ends with status 1 and the seed of the first instance that breaks a law.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "solve.hpp"

using namespace joulewise;

namespace {

std::string instance;  // the one being looked at, for the message

void require(bool law, const char* what) {
    if (law) return;
    std::fprintf(stderr, "broken: %s, in %s\n", what, instance.c_str());
    std::exit(1);
}

struct Problem {
    std::vector<Index> kind, edges;
    Hulls hulls{{0}, {}, {}};
    Options options{{0}, {}, {}};

    Index size() const { return static_cast<Index>(kind.size()); }
    Index options_of(Index i) const { return options.first[kind[i] + 1] - options.first[kind[i]]; }
    Int time(Index i, Index k) const { return options.time[options.first[kind[i]] + k]; }
    Int cost(Index i, Index k) const { return options.cost[options.first[kind[i]] + k]; }

    // One kind: hull vertices, and where there is room an option above the hull behind each.
    void add_kind(std::mt19937_64& random, Int vertices, bool may_be_zero, bool extra) {
        std::vector<Int> time{may_be_zero ? 0 : 1 + static_cast<Int>(random() % 1000)}, slope{0};
        Int steepest = vertices * 100;
        for (Int v = 1; v < vertices; ++v) {
            time.push_back(time.back() + static_cast<Int>(1 + random() % 50) * 1024);
            steepest = std::max<Int>(1, steepest - 1 - static_cast<Int>(random() % 100));
            slope.push_back(steepest << 20);
        }
        std::vector<Int> above(time.size(), 0);  // cost above the cheapest: exact, as factors of 2^30 are in the product
        for (std::size_t v = time.size() - 1; v > 0; --v)
            above[v - 1] = above[v] + (time[v] - time[v - 1]) / 1024 * (slope[v] >> 20);
        for (std::size_t v = 0; v < time.size(); ++v) {
            hulls.duration.push_back(time[v]);
            hulls.slope.push_back(slope[v]);
            options.time.push_back(time[v]);
            options.cost.push_back(above[v]);
            if (!extra || v + 1 == time.size() || above[v] - above[v + 1] < 4) continue;
            options.time.push_back((time[v] + time[v + 1]) / 2);
            options.cost.push_back(above[v] - (above[v] - above[v + 1]) / 4);
        }
        hulls.first.push_back(static_cast<Index>(hulls.duration.size()));
        options.first.push_back(static_cast<Index>(options.time.size()));
    }
    void add_edge(Index from, Index to) { edges.insert(edges.end(), {from, to}); }

    Int longest_path(const std::function<Int(Index)>& length) const {  // edges lead from lower to higher operations
        std::vector<std::vector<Index>> before(size());
        for (std::size_t e = 0; e < edges.size(); e += 2) before[edges[e + 1]].push_back(edges[e]);
        std::vector<Int> end(size(), 0);
        Int last = 0;
        for (Index i = 0; i < size(); ++i) {
            for (const Index u : before[i]) end[i] = std::max(end[i], end[u]);
            end[i] += length(i);
            last = std::max(last, end[i]);
        }
        return last;
    }
    Int t_min() const {
        return longest_path([&](Index i) { return time(i, 0); });
    }
    Int t_max() const {
        return longest_path([&](Index i) { return time(i, options_of(i) - 1); });
    }
    Answer solve(const std::vector<Int>& deadlines, const Effort& effort) const {
        const std::vector<std::uint8_t> support(deadlines.size(), 0);
        return joulewise::solve(kind, edges, hulls, options, deadlines, support, effort, [](double) {});
    }
};

// Least cost of the relaxation at a makespan, in ticks of flow times time.
double bound_at(const Answer& answer, Int makespan) {
    if (makespan >= answer.makespan.front()) return 0;
    std::size_t k = 0;
    while (k + 2 < answer.makespan.size() && answer.makespan[k + 1] > makespan) ++k;
    return answer.cost[k] +
           static_cast<double>(answer.price[k]) * static_cast<double>(answer.makespan[k] - makespan);
}

double in_flow_ticks(Int cost) { return static_cast<double>(cost) / kCostPerTick; }

void check_frontier(const Problem& problem, const Answer& answer) {
    require(answer.makespan.front() == problem.t_max(), "the sweep starts at T_max");
    require(answer.makespan.back() == problem.t_min(), "the sweep ends at T_min");
    require(answer.cost.size() == answer.makespan.size(), "one cost per breakpoint");
    require(answer.price.size() + 1 == answer.makespan.size(), "one price between two breakpoints");
    require(answer.cost.front() == 0, "costs are counted from T_max");
    for (std::size_t k = 0; k + 1 < answer.makespan.size(); ++k) {
        require(answer.makespan[k] > answer.makespan[k + 1], "makespans fall");
        require(answer.price[k] > 0, "time has a price below T_max");
        require(k == 0 || answer.price[k - 1] < answer.price[k], "the frontier is convex");
        const double rise = static_cast<double>(answer.price[k]) *
                            static_cast<double>(answer.makespan[k] - answer.makespan[k + 1]);
        require(std::abs(answer.cost[k] + rise - answer.cost[k + 1]) <= 1e-12 * answer.cost[k + 1],
                "the cost is the integral of the price");
    }
}

void check_plans(const Problem& problem, const Answer& answer, const std::vector<Int>& deadlines) {
    std::size_t feasible = 0;
    while (feasible < deadlines.size() && deadlines[feasible] >= problem.t_min()) ++feasible;
    require(answer.met == feasible, "every feasible deadline is met, and no other");
    require(answer.plans.size() == answer.met * problem.kind.size(), "one choice per operation and deadline");
    for (std::size_t p = 0; p < answer.met; ++p) {
        const Choice* plan = &answer.plans[p * problem.kind.size()];
        Int cost = 0;
        for (Index i = 0; i < problem.size(); ++i) {
            require(plan[i] >= 0 && plan[i] < problem.options_of(i), "choices are options");
            cost += problem.cost(i, plan[i]);
        }
        const Int takes = problem.longest_path([&](Index i) { return problem.time(i, plan[i]); });
        require(takes <= deadlines[p], "a plan meets its deadline");
        require(in_flow_ticks(cost) >= bound_at(answer, deadlines[p]) * (1 - 1e-12), "no plan beats the bound");
        require(deadlines[p] < problem.t_max() || cost == 0, "with time for everything a plan is the cheapest");
    }
}

std::vector<Int> spread_deadlines(const Problem& problem, Int count) {
    const Int least = problem.t_min(), most = problem.t_max();
    std::vector<Int> deadlines{2 * most + 1, most + 1, most};
    for (Int k = count; k >= 0; --k) deadlines.push_back(least + (most - least) * k / (count + 1));
    deadlines.push_back(least - 1);
    return deadlines;
}

void check(const Problem& problem, const Effort& effort, Int deadline_count) {
    const std::vector<Int> deadlines = spread_deadlines(problem, deadline_count);
    const Answer answer = problem.solve(deadlines, effort);
    check_frontier(problem, answer);
    check_plans(problem, answer, deadlines);
    const Answer again = problem.solve(deadlines, effort);
    require(again.plans == answer.plans && again.makespan == answer.makespan && again.price == answer.price,
            "the same problem has the same answer");
}

// Every choice of options: none beats the bound, and a plan is never better than the best of them.
void check_by_enumeration(const Problem& problem, const Effort& effort) {
    const std::vector<Int> deadlines = spread_deadlines(problem, 5);
    const Answer answer = problem.solve(deadlines, effort);
    std::vector<Int> best(answer.met, kInfinite);
    std::vector<Index> choice(problem.kind.size(), 0);
    for (bool more = true; more;) {
        Int cost = 0;
        for (Index i = 0; i < problem.size(); ++i) cost += problem.cost(i, choice[i]);
        const Int takes = problem.longest_path([&](Index i) { return problem.time(i, choice[i]); });
        for (std::size_t p = 0; p < answer.met; ++p)
            if (takes <= deadlines[p]) best[p] = std::min(best[p], cost);
        more = false;
        for (Index i = 0; i < problem.size() && !more; ++i) {
            more = ++choice[i] < problem.options_of(i);
            if (!more) choice[i] = 0;
        }
    }
    for (std::size_t p = 0; p < answer.met; ++p) {
        Int cost = 0;
        for (Index i = 0; i < problem.size(); ++i) cost += problem.cost(i, answer.plans[p * problem.kind.size() + i]);
        require(in_flow_ticks(best[p]) >= bound_at(answer, deadlines[p]) * (1 - 1e-12), "no choice beats the bound");
        require(cost >= best[p], "no plan beats every choice");
    }
}

Problem random_problem(std::mt19937_64& random, Index operations, Index most_vertices, int edges_of_16) {
    Problem problem;
    const Index kinds = 1 + static_cast<Index>(random() % 4);
    for (Index c = 0; c < kinds; ++c)
        problem.add_kind(random, 1 + static_cast<Int>(random() % most_vertices), random() % 8 == 0, random() % 2 == 0);
    for (Index i = 0; i < operations; ++i) problem.kind.push_back(static_cast<Index>(random() % kinds));
    for (Index u = 0; u < operations; ++u)
        for (Index v = u + 1; v < operations; ++v)
            if (static_cast<int>(random() % 16) < edges_of_16) problem.add_edge(u, v);
    return problem;
}

// A chain spends time where it costs least: its frontier has the slopes of all operations, sorted.
void check_chain_frontier(std::mt19937_64& random) {
    Problem problem;
    std::vector<std::pair<Int, Int>> segments;  // slope, length
    for (Index i = 0; i < 6; ++i) {
        problem.add_kind(random, 1 + static_cast<Int>(random() % 6), false, true);
        problem.kind.push_back(i);
        if (i > 0) problem.add_edge(i - 1, i);
        for (Index p = problem.hulls.first[i] + 1; p < problem.hulls.first[i + 1]; ++p)
            segments.emplace_back(problem.hulls.slope[p], problem.hulls.duration[p] - problem.hulls.duration[p - 1]);
    }
    std::sort(segments.begin(), segments.end());
    const Answer answer = problem.solve({}, {});
    check_frontier(problem, answer);
    Int makespan = problem.t_max();
    double cost = 0;
    for (const auto& [slope, length] : segments) {
        makespan -= length;
        cost += static_cast<double>(slope) * static_cast<double>(length);
        require(std::abs(bound_at(answer, makespan) - cost) <= 1e-12 * cost, "the frontier of a chain is the merge");
    }
}

// Operations side by side all take the whole makespan: prices add up.
void check_parallel_frontier(std::mt19937_64& random) {
    Problem problem;
    for (Index i = 0; i < 5; ++i) {
        problem.add_kind(random, 1 + static_cast<Int>(random() % 6), false, true);
        problem.kind.push_back(i);
    }
    const Answer answer = problem.solve({}, {});
    check_frontier(problem, answer);
    for (const Int makespan : spread_deadlines(problem, 7)) {
        if (makespan < problem.t_min()) continue;
        double cost = 0;
        for (Index i = 0; i < problem.size(); ++i)
            for (Index p = problem.hulls.first[i] + 1; p < problem.hulls.first[i + 1]; ++p)
                cost += static_cast<double>(problem.hulls.slope[p]) *
                        static_cast<double>(std::max<Int>(0, problem.hulls.duration[p] - std::max(makespan, problem.hulls.duration[p - 1])));
        require(std::abs(bound_at(answer, makespan) - cost) <= 1e-12 * cost, "costs of parallel operations add up");
    }
}

// Rows of equal operations, as a pipeline of copied stages: every step is a tie.
Problem grid(std::mt19937_64& random, Index stages, Index microbatches) {
    Problem problem;
    problem.add_kind(random, 6, false, true);
    for (Index m = 0; m < microbatches; ++m)
        for (Index s = 0; s < stages; ++s) {
            const Index i = m * stages + s;
            problem.kind.push_back(0);
            if (s > 0) problem.add_edge(i - 1, i);
            if (m > 0) problem.add_edge(i - stages, i);
        }
    return problem;
}

// Very deep: constant operations, and a few among them that can be faster.
Problem long_chain(std::mt19937_64& random, Index length, Index fast_ones) {
    Problem problem;
    problem.add_kind(random, 1, false, false);
    problem.add_kind(random, 3, false, true);
    for (Index i = 0; i < length; ++i) {
        problem.kind.push_back(i % (length / fast_ones) == 0 ? 1 : 0);
        if (i > 0) problem.add_edge(i - 1, i);
    }
    return problem;
}

void check_refusals(std::mt19937_64& random) {
    Problem cyclic;
    cyclic.add_kind(random, 2, false, false);
    cyclic.kind = {0, 0};
    cyclic.edges = {0, 1, 1, 0};
    bool refused = false;
    try {
        cyclic.solve({}, {});
    } catch (const std::invalid_argument&) {
        refused = true;
    }
    require(refused, "a cycle is refused");

    const Problem pipeline = grid(random, 3, 3);
    bool stopped = false;
    try {
        solve(pipeline.kind, pipeline.edges, pipeline.hulls, pipeline.options, {pipeline.t_max()}, {0}, {},
              [](double) { throw std::runtime_error("stop"); });
    } catch (const std::runtime_error&) {
        stopped = true;
    }
    require(stopped, "a poll that throws stops the sweep");
}

}  // namespace

int main() {
    const Effort none{}, dives{{0.03, 1.0}, 0}, thorough{{0.03, 0.3, 1.0}, 100000};
    std::mt19937_64 random;
    const auto begin = [&](const char* name, std::uint64_t seed) {
        instance = std::string(name) + " " + std::to_string(seed);
        random.seed(seed);
    };
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        begin("random network", seed);
        const Index operations = 1 + static_cast<Index>(random() % 14);
        const Index vertices = 1 + static_cast<Index>(random() % 7);
        const Problem problem = random_problem(random, operations, vertices, static_cast<int>(random() % 12));
        check(problem, seed % 3 == 0 ? none : seed % 3 == 1 ? dives : thorough, 9);
    }
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        begin("enumerable network", seed);
        const Index operations = 1 + static_cast<Index>(random() % 5);
        check_by_enumeration(random_problem(random, operations, 3, 5), seed % 2 == 0 ? dives : thorough);
        check_chain_frontier(random);
        check_parallel_frontier(random);
    }
    begin("refusals", 0);
    check_refusals(random);

    begin("one operation", 0);
    for (const Int vertices : {1, 2, 9}) {
        Problem one;
        one.add_kind(random, vertices, false, true);
        one.kind = {0};
        check(one, thorough, 5);
    }
    begin("operations without length", 0);
    Problem still;
    still.add_kind(random, 1, true, false);
    still.kind.assign(5, 0);
    still.add_edge(0, 3);
    check(still, thorough, 3);
    begin("pipeline of copied stages", 0);
    check(grid(random, 4, 12), thorough, 9);
    begin("wide pipeline", 0);
    check(grid(random, 8, 64), none, 30);
    begin("long chain", 0);
    check(long_chain(random, 100000, 8), none, 3);
    check(long_chain(random, 100000, 4), {{1.0}, 0}, 1);
    std::puts("the kernel's laws hold");
    return 0;
}
