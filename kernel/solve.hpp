// One sweep over the frontier: its breakpoints, and a plan for every deadline that is passed on the way.
#pragma once

#include <chrono>
#include <functional>

#include "dive.hpp"

namespace joulewise {

// How hard to work on each plan, after rounding: until it costs at most `excess` more than the relaxation, or time is up.
struct Effort {
    std::vector<double> cautions;  // one dive for each
    Int visits = 0;                // operations that local search may look at
    Int excess = 0;                // in ticks of cost
    double seconds = 1e300;
};

struct Answer {
    std::vector<Int> makespan;   // of every breakpoint, falling from T_max to T_min
    std::vector<Int> price;      // -dE/dT between breakpoint k and k+1
    std::vector<double> cost;    // above the cost at T_max, in ticks of flow times time
    std::vector<Choice> plans;   // one row per deadline that could be met
    std::size_t met = 0;
    Int pivots = 0;
};

// Deadlines fall. `poll` gets the present makespan and may throw to stop.
inline Answer solve(const std::vector<Index>& kind, const std::vector<Index>& edges, const Hulls& hulls,
                    const Options& options, const std::vector<Int>& deadlines, const Effort& effort,
                    const std::function<void(Int)>& poll) {
    Network net(static_cast<Index>(kind.size()), kind, edges, hulls);
    PlanGraph graph(kind, edges, options);
    Sweep sweep(net);
    Answer answer;
    std::vector<Int> event(net.nodes);
    std::vector<Choice> plan(kind.size()), trial(kind.size());
    answer.plans.reserve(deadlines.size() * kind.size());

    Int makespan = net.makespan();
    __int128 cost = 0;
    const auto make_plan = [&](Int deadline, Int price, Index entered, Index level) {
        const auto begin = std::chrono::steady_clock::now();
        const __int128 relaxed = cost + static_cast<__int128>(price) * (makespan - deadline);
        const Int target = static_cast<Int>(static_cast<double>(relaxed) * kCostPerTick) + effort.excess;
        const auto enough = [&](Int now) {
            poll(deadline);
            const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
            return now <= target || spent.count() >= effort.seconds;
        };
        const Int origin = event[net.source];
        for (Int& t : event) t -= origin;
        graph.round(event, deadline, plan);
        for (const double caution : effort.cautions) {
            if (enough(graph.total(plan))) break;
            Dive dive(net, graph, price, deadline, event, entered, level);
            if (!dive.run(trial, caution, enough)) continue;
            graph.fill(trial, deadline, true);
            graph.fill(trial, deadline, false);
            if (graph.makespan(trial) <= deadline && graph.total(trial) < graph.total(plan)) plan = trial;
        }
        if (effort.visits > 0) graph.improve(plan, deadline, effort.visits, enough);
        answer.plans.insert(answer.plans.end(), plan.begin(), plan.end());
        ++answer.met;
        poll(deadline);
    };

    answer.makespan.push_back(makespan);
    answer.cost.push_back(0);
    for (; answer.met < deadlines.size() && deadlines[answer.met] >= makespan;) {
        event = net.time;
        make_plan(deadlines[answer.met], 0, -1, -1);
    }
    Sweep::Step step;
    while (sweep.step(step)) {
        if ((++answer.pivots & 255) == 0) poll(makespan);
        if (step.shorten == 0) continue;
        const Int shorter = makespan - step.shorten;
        for (; answer.met < deadlines.size() && deadlines[answer.met] >= shorter;) {
            const Int undo = deadlines[answer.met] - shorter;
            event = net.time;
            for (const Index v : *step.moved) event[v] += step.sink_part ? undo : -undo;
            make_plan(deadlines[answer.met], step.price, step.entered, step.entered_level);
        }
        makespan = shorter;
        cost += static_cast<__int128>(step.price) * step.shorten;
        if (!answer.price.empty() && answer.price.back() == step.price) {
            answer.makespan.back() = makespan;
            answer.cost.back() = static_cast<double>(cost);
        } else {
            answer.makespan.push_back(makespan);
            answer.price.push_back(step.price);
            answer.cost.push_back(static_cast<double>(cost));
        }
    }
    return answer;
}

}  // namespace joulewise
